"""A dialog as the called side keeps it (RFC 3261 §12)."""

from ivr.sip.address import DEFAULT_PORT, Address, is_ip
from ivr.sip.errors import MalformedMessageError
from ivr.sip.headers import Headers
from ivr.sip.message import Request
from ivr.sip.name_addr import parse_name_addr
from ivr.sip.responder import HeaderLines
from ivr.sip.uri import SIP_SCHEMES, Uri

MAX_FORWARDS = "70"

DialogId = tuple[str, str, str]
"""Call-ID, local tag, remote tag."""


def dialog_id(request: Request) -> DialogId:
    """Return the dialog a request from the other side names (§12.2.2)."""
    return (request.call_id, request.to.tag, request.from_.tag)


def contact_of(request: Request) -> Uri | None:
    """Return where the sender wants later requests, None when it does not say.

    Raise MalformedMessageError when that is no SIP URI.
    """
    values = request.headers.values("Contact")
    if not values:
        return None
    uri = parse_name_addr(values[0]).uri
    if uri.scheme not in SIP_SCHEMES:
        raise MalformedMessageError("The Contact is no SIP URI", request)
    return uri


class Dialog:
    """The state that two user agents share for one call.

    The constructor takes the INVITE that makes the dialog, and its source. Raise
    MalformedMessageError when the INVITE's Contact or Record-Route is unusable.
    """

    __slots__ = (
        "_behind_nat",
        "_local",
        "_remote",
        "_route_set",
        "_source",
        "_target",
        "id",
        "local_cseq",
        "remote_cseq",
    )

    def __init__(self, invite: Request, local_tag: str, source: Address) -> None:
        headers = invite.headers
        self.id: DialogId = (invite.call_id, local_tag, invite.from_.tag)
        self.local_cseq = 0
        self.remote_cseq = invite.cseq.number
        self._local = f"{headers.get('To')};tag={local_tag}"
        self._remote = headers.get("From")
        self._route_set = headers.values("Record-Route")
        for route in self._route_set:
            _ = parse_name_addr(route).uri
        # RFC 2543 had INVITEs without Contact: then From says where to call back.
        self._target = contact_of(invite) or invite.from_.uri
        self._source = source
        # A client behind NAT that asks for rport listens where it sends from; the
        # address in its Contact means nothing here.
        self._behind_nat = not self._route_set and _is_translated(invite, source)

    def is_stale(self, request: Request) -> bool:
        """Whether `request` is older than one that was handled (§12.2.2)."""
        return request.cseq.number < self.remote_cseq

    def refresh_target(self, request: Request, source: Address) -> None:
        """Take the Contact of a re-INVITE as the new remote target (§12.2.2)."""
        self._target = contact_of(request) or self._target
        self._source = source

    def request(
        self, method: str, via: str, headers: HeaderLines = ()
    ) -> tuple[Request, Address]:
        """Make the next request inside the dialog, and say where it goes (§12.2.1.1)."""
        self.local_cseq += 1
        uri, routes = self._target.text, self._route_set
        hop = self._target
        if routes:
            first = parse_name_addr(routes[0])
            hop = first.uri
            if hop.param("lr") is None:
                # A strict router wants itself in the Request-URI and the target last.
                uri, routes = first.uri_text, [*routes[1:], f"<{uri}>"]
        lines = Headers()
        lines.add("Via", via)
        lines.add("Max-Forwards", MAX_FORWARDS)
        for route in routes:
            lines.add("Route", route)
        lines.add("From", self._local)
        lines.add("To", self._remote)
        lines.add("Call-ID", self.id[0])
        lines.add("CSeq", f"{self.local_cseq} {method}")
        for name, value in headers:
            lines.add(name, value)
        return Request(method, uri, lines), self._address_of(hop)

    def _address_of(self, hop: Uri) -> Address:
        host = (hop.param("maddr") or hop.host).strip("[]")
        if self._behind_nat or not is_ip(host):
            # Names are not looked up: who sent the INVITE is the hop that knows the name.
            return self._source
        return Address(host, hop.port or DEFAULT_PORT)


def _is_translated(invite: Request, source: Address) -> bool:
    """Whether the sender of the INVITE sits behind NAT and answers through it (RFC 3581)."""
    via = invite.via
    return via.param("rport") is not None and via.host != source.host
