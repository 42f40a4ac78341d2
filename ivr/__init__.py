"""Solde's telephone and web sides: from the first INVITE to the last event."""
