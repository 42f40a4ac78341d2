"""What the SIP stack raises.

SipError
├── MalformedMessageError     a datagram, or a header looked into later, breaks the grammar
├── RequestRefusedError       the other side refused what we asked inside a call
├── NotAcceptableHereError    raised by a call handler: a re-INVITE cannot be accepted
├── NameServiceError          nobody knows where a URI's requests go
├── TlsFileError              a certificate or key cannot be used
└── CallStateError            the application asked for something the call's state forbids
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivr.sip.message import Request


class SipError(Exception):
    """Base of all errors of this package."""


class MalformedMessageError(SipError):
    """Text that is not what RFC 3261 §25 allows.

    `request` is what could be read of the request, when enough was read to
    answer it `status`; None when the datagram can only be dropped. The message names
    the fault and never quotes the datagram.
    """

    def __init__(self, fault: str, request: Request | None = None, status: int = 400) -> None:
        super().__init__(fault)
        self.fault = fault
        self.request = request
        self.status = status


class NotAcceptableHereError(SipError):
    """The session offered in a re-INVITE is refused: 488, with the message as Warning."""


class NameServiceError(SipError):
    """A name could not be looked up, or nothing was found that we can send to."""


class RequestRefusedError(SipError):
    """What we asked inside a call was refused: with `status`, 0 when the call is over."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}" if status else reason)
        self.status = status
        self.reason = reason


class CallStateError(SipError):
    """An answered call was answered, rung or rejected again."""


class TlsFileError(SipError):
    """A file of certificates or the key of one cannot be used; the message names it."""
