"""What the application sees of a call's events."""

from enum import StrEnum
from typing import Protocol


class CallEnd(StrEnum):
    """How a call ended."""

    HUNG_UP_BY_PEER = "hung-up-by-peer"
    HUNG_UP_BY_US = "hung-up-by-us"
    CANCELLED = "cancelled"
    """The caller gave up before the answer."""
    REJECTED = "rejected"
    ACK_TIMEOUT = "ack-timeout"
    """The caller never confirmed an answer, though it was repeated for 32 s."""
    TRANSPORT_ERROR = "transport-error"
    """As ACK_TIMEOUT, and no copy of the answer could leave this machine."""
    SHUT_DOWN = "shut-down"
    """The user agent was closed."""


class CallHandler(Protocol):
    """The application's side of one call. What it raises ends the call, not the process."""

    def acknowledged(self, body: bytes) -> None:
        """Take the ACK of the first 200, once; `body` is the answer when our 200 offered.

        Called again for a re-INVITE only when our 200 to that offered.
        """

    def renegotiated(self, body: bytes) -> bytes:
        """Return the answer to a re-INVITE's offer, or an offer when `body` is empty.

        Raise NotAcceptableHereError to keep the session as it is.
        """

    def ended(self, end: CallEnd) -> None:
        """Learn that the call is over; exactly once, whatever happened."""
