"""Signalling after RFC 3261: parsers and state machines without I/O, a thin transport."""
