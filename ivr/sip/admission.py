"""Why a request is not processed, found before anything is done with it (RFC 3261 §8.2)."""

from collections.abc import Sequence
from typing import NamedTuple

from ivr.sip.grammar import quote, to_int
from ivr.sip.message import VERSION, Request
from ivr.sip.statuses import KNOWN_METHODS
from ivr.sip.uri import SIP_SCHEMES

BODY_TYPE = "application/sdp"
ACCEPT = ("Accept", BODY_TYPE)
EXTENSIONS = ("100rel", "norefersub", "replaces", "timer")
"""The option tags that are understood: RFC 3262, 4488, 3891, 4028."""
_ONLY_FOR_INVITE = frozenset({"100rel", "replaces"})
_DESCRIBED = frozenset({"INVITE", "UPDATE", "PRACK"})
_SCHEMES = SIP_SCHEMES | {"tel"}
_ACCEPTABLE = frozenset({BODY_TYPE, "application/*", "*/*"})


class Reply(NamedTuple):
    """What to answer: a status, headers, and the phrase, "" for the usual one."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = ""


def description(body: bytes) -> tuple[tuple[str, str], ...]:
    """Return the Content-Type of a session description, nothing for an empty one."""
    return (("Content-Type", BODY_TYPE),) if body else ()


def warning(agent: str, text: str) -> tuple[str, str]:
    """Return a Warning header that says `text` to a human (RFC 3261 §20.43)."""
    return ("Warning", f"399 {agent} {quote(text)}")


def inspect(request: Request, allowed: Sequence[str]) -> Reply | None:
    """Return why `request` is refused whatever the state, None when it may be processed.

    `allowed` are the methods that are processed. Raise MalformedMessageError.
    """
    if request.version != VERSION:
        return Reply(505)
    if request.method not in allowed:
        status = 405 if request.method in KNOWN_METHODS else 501
        return Reply(status, (("Allow", ", ".join(allowed)),))
    if request.uri.scheme not in _SCHEMES:
        return Reply(416)
    # RFC 3261 §8.2.2.3: a CANCEL is taken whatever it requires.
    if "Require" in request.headers and request.method != "CANCEL":
        unknown = [one for one in request.headers.values("Require") if not _known(one, request)]
        if unknown:
            return Reply(420, (("Unsupported", ", ".join(unknown)),))
    if (
        request.method == "INVITE"
        and not request.to.tag
        and to_int(request.headers.get("Max-Forwards"), 2**31) == 0
    ):
        # RFC 7332 §4: a call may be led on by us, so that here its way is too long.
        # Any other request has arrived and needs no further hop (RFC 3261 §8.1.1.6, §11).
        return Reply(483)
    return _inspect_body(request) if request.method in _DESCRIBED else None


def _known(option: str, request: Request) -> bool:
    option = option.lower()
    return option in EXTENSIONS and (
        request.method == "INVITE" or option not in _ONLY_FOR_INVITE
    )


def _inspect_body(request: Request) -> Reply | None:
    headers = request.headers
    headers.values("Supported")  # whoever answers looks into it, too late to refuse
    if "Content-Encoding" in headers:
        codings = {value.lower() for value in headers.values("Content-Encoding")}
        if codings - {"identity"}:
            return Reply(415, (("Accept-Encoding", "identity"),))
    if request.body and media_type(headers.get("Content-Type", BODY_TYPE)) != BODY_TYPE:
        return Reply(415, (ACCEPT,))
    if "Accept" in headers:
        ranges = {media_type(value) for value in headers.values("Accept")}
        if not ranges & _ACCEPTABLE:
            return Reply(406, (ACCEPT,))
    return None


def media_type(value: str) -> str:
    """Return a Content-Type in lower case, without parameters."""
    return value.partition(";")[0].replace(" ", "").replace("\t", "").lower()
