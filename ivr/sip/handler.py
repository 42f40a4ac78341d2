"""What the application sees of a call's events."""

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ivr.sip.referral import Referral


class CallEnd(StrEnum):
    """How a call ended."""

    HUNG_UP_BY_PEER = "hung-up-by-peer"
    HUNG_UP_BY_US = "hung-up-by-us"
    CANCELLED = "cancelled"
    """The caller gave up before the answer."""
    REJECTED = "rejected"
    REFUSED = "refused"
    """Nobody took a call of ours: its `outcome` says why."""
    ACK_TIMEOUT = "ack-timeout"
    """The caller never confirmed an answer, though it was repeated for 32 s."""
    TRANSPORT_ERROR = "transport-error"
    """As ACK_TIMEOUT, and no copy of the answer could leave this machine."""
    SESSION_EXPIRED = "session-expired"
    """The other side did not show in time that it is still there (RFC 4028)."""
    DIALOG_LOST = "dialog-lost"
    """The other side knows nothing of the call any more, or does not answer."""
    REPLACED = "replaced"
    """Another call took its place (RFC 3891)."""
    SHUT_DOWN = "shut-down"
    """The user agent was closed."""


class CallHandler(Protocol):
    """The application's side of one call. What it raises ends the call, not the process."""

    def acknowledged(self, body: bytes) -> None:
        """Take the ACK of the first 200, once; `body` is the answer when our 200 offered.

        Called again for a re-INVITE only when our 200 to that offered.
        """

    def renegotiated(self, body: bytes) -> bytes:
        """Return the answer to an offer inside the call, or an offer when `body` is empty.

        An offer comes in a re-INVITE, an UPDATE, a PRACK, or in the 200 to a re-INVITE
        of ours that asked for one. Raise NotAcceptableHereError to keep the session as it is.
        """

    def ended(self, end: CallEnd) -> None:
        """Learn that the call is over; exactly once, whatever happened."""


@runtime_checkable
class InfoHandler(Protocol):
    """A call handler that takes INFO (RFC 6086); without one it is refused with 415."""

    def info(self, content_type: str, body: bytes) -> bool:
        """Take a body; `content_type` is in lower case, without parameters.

        Return whether the type is known: 415 is answered when not.
        """


@runtime_checkable
class TransferHandler(Protocol):
    """A call handler that lets itself be transferred; without one REFER gets 603."""

    def referred(self, referral: "Referral") -> None:
        """Take the wish that we call somebody else (RFC 3515).

        Refuse it before returning, or keep it and tell it how the new call goes.
        """


@runtime_checkable
class EarlyHandler(Protocol):
    """A call handler that wants to know when its early media was confirmed."""

    def progress_acknowledged(self, body: bytes) -> None:
        """Take the PRACK of a `progress` with a description (RFC 3262).

        `body` is the answer when that made an offer.
        """


@runtime_checkable
class RefreshHandler(Protocol):
    """A call handler that follows changes of the other side's session description."""

    def refreshed(self, body: bytes) -> None:
        """Take an answer that differs from the last, to an offer repeated as it was."""
