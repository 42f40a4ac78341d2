"""Where a call goes after a 3xx (RFC 3261 §8.1.3.4)."""

from ivr.sip.errors import MalformedMessageError
from ivr.sip.line import Line
from ivr.sip.name_addr import NameAddr, parse_name_addr
from ivr.sip.outcome import Outcome
from ivr.sip.uri import Uri, parse_uri

MAX_REDIRECTS = 5
"""URIs one call is sent on to, at the most."""
_METHOD_PARAM = "method"


class Redirects:
    """The URIs still to be tried; none is tried twice."""

    __slots__ = ("_follow", "_left", "_seen")

    def __init__(self, first: str, *, follow: bool) -> None:
        self._follow = follow
        self._seen = [parse_uri(first)]
        self._left: list[Uri] = []

    def add(self, outcome: Outcome) -> None:
        """Take the contacts of a 3xx, the most wanted first; what is no SIP URI is left out."""
        if not self._follow:
            return
        contacts = []
        for text in outcome.contacts:
            try:
                contact = parse_name_addr(text)
                uri = _bare(contact.uri)
            except MalformedMessageError:
                continue
            if uri.is_sip and not any(uri.equivalent(one) for one in self._seen):
                contacts.append((_preference(contact), uri))
        for _, uri in sorted(contacts, key=lambda pair: -pair[0]):
            if len(self._seen) <= MAX_REDIRECTS:
                self._seen.append(uri)
                self._left.append(uri)

    def next(self, outcome: Outcome) -> Uri | None:
        """Return the URI to be tried after `outcome`, None when there is none.

        A 6xx says that the call is wanted nowhere (§21.6).
        """
        return self._left.pop(0) if self._left and outcome.status < 600 else None

    def elsewhere(self, uri: Uri, line: Line) -> bool:
        """Whether `uri` leads away from the trunk."""
        return uri.host.lower() != line.trunk.home().host.lower()


def _bare(uri: Uri) -> Uri:
    """Return a URI as a Request-URI may have it: without headers and method (§19.1.1)."""
    text = uri.text.partition("?")[0] if uri.headers is not None else uri.text
    for name, value in uri.params:
        if name == _METHOD_PARAM:
            text = text.replace(f";{name}={value}", "")
    return parse_uri(text)


def _preference(contact: NameAddr) -> float:
    try:
        return float(contact.param("q") or 1)
    except ValueError:
        return 0.0
