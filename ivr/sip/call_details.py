"""What an INVITE says of how a call came about, read when asked for.

All of that is claimed by the caller, or by the networks on the way. Whether they
are to be believed is for whoever knows where the call came from (RFC 3325 §8).
"""

from dataclasses import dataclass

from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import to_int
from ivr.sip.message import Request
from ivr.sip.name_addr import NameAddr, parse_name_addr
from ivr.sip.uri import unescape
from ivr.sip.user_to_user import UserToUser, parse_user_to_user


@dataclass(frozen=True, slots=True)
class Diversion:
    """Who sent the call on, and why: `unknown` when nothing is said (RFC 5806)."""

    by: NameAddr
    reason: str
    counter: int
    """How often the call was sent on by them."""


@dataclass(frozen=True, slots=True)
class History:
    """One station of the call (RFC 7044). `index` says where in the tree: 1, 1.1, 1.1.1."""

    target: NameAddr
    index: tuple[int, ...]
    cause: int | None
    """Why the call went on from there: a SIP status, of RFC 4458 too; None when not said."""


class CallDetails:
    """The details of one INVITE. Each raises MalformedMessageError when its header is none."""

    __slots__ = ("_headers",)

    def __init__(self, invite: Request) -> None:
        self._headers = invite.headers

    def header(self, name: str) -> str:
        """Return any header's first line, "" without one. Raise ValueError for no token."""
        return self._headers.get(name)

    def headers(self, name: str) -> list[str]:
        """Return any header's lines, unsplit. Raise ValueError for no token."""
        return self._headers.lines(name)

    @property
    def user_to_user(self) -> list[UserToUser]:
        """What the caller's application tells ours (RFC 7433)."""
        return [parse_user_to_user(text) for text in self._headers.values("User-to-User")]

    @property
    def asserted_identities(self) -> list[NameAddr]:
        """Who calls, by the word of a network that is to be trusted (RFC 3325)."""
        return [parse_name_addr(text) for text in self._headers.values("P-Asserted-Identity")]

    @property
    def wants_privacy(self) -> bool:
        """Whether the caller does not want to be shown (RFC 3323, RFC 3325 §9.3)."""
        words = " ".join(self._headers.lines("Privacy")).replace(";", " ").replace(",", " ")
        return bool({"id", "user", "header"} & set(words.lower().split()))

    @property
    def referred_by(self) -> NameAddr | None:
        """Who transferred the caller to us (RFC 3892)."""
        text = self._headers.get("Referred-By")
        return parse_name_addr(text) if text else None

    @property
    def diversions(self) -> list[Diversion]:
        """Who sent the call on, the last first (RFC 5806)."""
        return [_diversion(text) for text in self._headers.values("Diversion")]

    @property
    def history(self) -> list[History]:
        """Where the call has been, the first station first (RFC 7044)."""
        return [_history(text) for text in self._headers.values("History-Info")]


def _diversion(text: str) -> Diversion:
    by = parse_name_addr(text)
    counter = to_int(by.param("counter") or "1", 2**31)
    reason = (by.param("reason") or "unknown").strip('"')
    return Diversion(by, reason, 1 if counter is None else counter)


def _history(text: str) -> History:
    target = parse_name_addr(text)
    index = [to_int(part, 2**31) for part in (target.param("index") or "").split(".")]
    if None in index:
        raise MalformedMessageError("Malformed History-Info header field")
    numbers = tuple(part for part in index if part is not None)
    return History(target, numbers, _cause(target))


def _cause(target: NameAddr) -> int | None:
    """Return the cause of RFC 4458, or the SIP cause of a Reason inside the URI (§10.2)."""
    uri = target.uri
    text = uri.param("cause") or ""
    for pair in (uri.headers or "").split("&"):
        name, _, value = pair.partition("=")
        reason = unescape(value).replace(" ", "").lower()
        if not text and name.lower() == "reason" and reason.startswith("sip;"):
            _, _, text = reason.partition("cause=")
            text = text.partition(";")[0]
    return to_int(text, 1000) if text else None
