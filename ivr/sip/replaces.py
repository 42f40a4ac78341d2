"""Which call a new one takes the place of (RFC 3891)."""

from dataclasses import dataclass
from urllib.parse import quote

from ivr.sip.dialog import Dialog, DialogId
from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import param_of, parse_params
from ivr.sip.message import Request
from ivr.sip.uri import Uri, unescape

OPTION = "replaces"


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog, as the side names it that shall give it up.

    `to_tag` is that side's tag. `early_only` takes an answered call for too late.
    """

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @property
    def dialog(self) -> DialogId:
        """The dialog, as the side knows it that shall give it up."""
        return (self.call_id, self.to_tag, self.from_tag)

    def __str__(self) -> str:
        text = f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}"
        return f"{text};early-only" if self.early_only else text


def parse_replaces(text: str) -> Replaces:
    """Parse the value of Replaces; raise MalformedMessageError.

    A tag of "0" stands for none, as of a peer of RFC 2543 (§3).
    """
    call_id, mark, rest = text.partition(";")
    params = parse_params(mark + rest)
    to_tag, from_tag = param_of(params, "to-tag"), param_of(params, "from-tag")
    call_id = call_id.strip(" \t")
    if not call_id or not to_tag or not from_tag:
        raise MalformedMessageError("Malformed Replaces header field")
    ours, theirs = ("" if tag == "0" else tag for tag in (to_tag, from_tag))
    return Replaces(call_id, ours, theirs, param_of(params, "early-only") is not None)


def replaces_of(request: Request) -> Replaces | None:
    """Return what an INVITE wants to replace, None when it is a call by itself.

    Raise MalformedMessageError also when it names two (§3).
    """
    lines = request.headers.lines(OPTION)
    if not lines:
        return None
    if len(lines) > 1 or "Join" in request.headers:
        raise MalformedMessageError("Several calls to replace or to join", request)
    return parse_replaces(lines[0])


def replaces_in(uri: Uri) -> Replaces | None:
    """Return the Replaces that a Refer-To asks for, or None; raise MalformedMessageError."""
    for pair in (uri.headers or "").split("&"):
        name, _, value = pair.partition("=")
        if unescape(name).lower() == OPTION:
            return parse_replaces(unescape(value))
    return None


def takeover_uri(dialog: Dialog) -> str:
    """Return the URI that takes over our end of `dialog`: its other side, with Replaces."""
    call_id, ours, theirs = dialog.id
    # To the side that is asked to give the call up, its own tag is the To tag.
    replaces = Replaces(call_id, theirs or "0", ours or "0")
    bare, _, _ = dialog.target.text.partition("?")
    escaped = quote(str(replaces).encode("utf-8", "surrogateescape"), safe="")
    return f"{bare}?Replaces={escaped}"
