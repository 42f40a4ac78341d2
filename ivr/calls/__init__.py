"""One call from its first INVITE to its last event."""
