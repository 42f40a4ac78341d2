"""A dialog, as either side keeps it (RFC 3261 §12)."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network

from ivr.sip.address import Address, Transport, is_ip, transport_named
from ivr.sip.digest_client import DigestClient
from ivr.sip.errors import MalformedMessageError
from ivr.sip.headers import Headers
from ivr.sip.message import Request, Response
from ivr.sip.name_addr import parse_name_addr
from ivr.sip.responder import HeaderLines
from ivr.sip.uri import SIP_SCHEMES, Uri

MAX_FORWARDS = "70"

_UNROUTED = [
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]

DialogId = tuple[str, str, str]
"""Call-ID, local tag, remote tag."""


def dialog_id(request: Request) -> DialogId:
    """Return the dialog a request from the other side names (§12.2.2)."""
    return (request.call_id, request.to.tag, request.from_.tag)


def contact_of(message: Request | Response) -> Uri | None:
    """Return where the sender wants later requests, None when it does not say.

    Raise MalformedMessageError when that is no SIP URI.
    """
    values = message.headers.values("Contact")
    if not values:
        return None
    uri = parse_name_addr(values[0]).uri
    if uri.scheme not in SIP_SCHEMES:
        raise MalformedMessageError(
            "The Contact is no SIP URI", message if isinstance(message, Request) else None
        )
    return uri


class Dialog:
    """The state that two user agents share for one call.

    Make one with `Dialog.called`, on the side that was called, or `Dialog.calling`.
    `peer` is the host that it was made with.
    `credentials` answer challenges to our requests, where the other side may ask;
    `owns_call_id` is whether we chose the Call-ID, by sending the INVITE.
    """

    __slots__ = (
        "_behind_nat",
        "_local",
        "_remote",
        "_route_set",
        "_source",
        "_target",
        "credentials",
        "id",
        "local_cseq",
        "owns_call_id",
        "peer",
        "remote_cseq",
    )

    def __init__(
        self,
        dialog: DialogId,
        *,
        local: str,
        remote: str,
        local_cseq: int,
        remote_cseq: int,
        route_set: list[str],
        target: Uri,
        source: Address,
        behind_nat: bool,
        owns_call_id: bool,
    ) -> None:
        for route in route_set:
            _ = parse_name_addr(route).uri
        self.id = dialog
        self.credentials: DigestClient | None = None
        self.peer = source.host
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        self.owns_call_id = owns_call_id
        self._local = local
        self._remote = remote
        self._route_set = route_set
        self._target = target
        self._source = source
        # A peer behind NAT that asks for rport listens where it sends from; the
        # address in its Contact means nothing here.
        self._behind_nat = behind_nat and not route_set

    @classmethod
    def called(cls, invite: Request, local_tag: str, source: Address) -> "Dialog":
        """Make the dialog of an INVITE that came from `source` (§12.1.1).

        Raise MalformedMessageError when its Contact or Record-Route is unusable.
        """
        headers = invite.headers
        return cls(
            (invite.call_id, local_tag, invite.from_.tag),
            local=f"{headers.get('To')};tag={local_tag}",
            remote=headers.get("From"),
            local_cseq=0,
            remote_cseq=invite.cseq.number,
            route_set=headers.values("Record-Route"),
            # RFC 2543 had INVITEs without Contact: then From says where to call back.
            target=contact_of(invite) or invite.from_.uri,
            source=source,
            behind_nat=_is_translated(invite, source),
            owns_call_id=False,
        )

    @classmethod
    def calling(cls, invite: Request, response: Response, source: Address) -> "Dialog":
        """Make the dialog of a response, from `source`, to an INVITE of ours (§12.1.2).

        Raise MalformedMessageError when its To, Contact or Record-Route is unusable.
        """
        headers = response.headers
        contact = contact_of(response)
        return cls(
            (invite.call_id, invite.from_.tag, response.to.tag),
            local=invite.headers.get("From"),
            remote=headers.get("To"),
            local_cseq=invite.cseq.number,
            remote_cseq=-1,
            route_set=headers.values("Record-Route")[::-1],
            target=contact or invite.uri,
            source=source,
            behind_nat=contact is not None and _is_hidden(contact.host, source.host),
            owns_call_id=True,
        )

    @property
    def target(self) -> Uri:
        """Where the other side wants requests: its latest Contact."""
        return self._target

    def is_stale(self, request: Request) -> bool:
        """Whether `request` is older than one that was handled (§12.2.2)."""
        return request.cseq.number < self.remote_cseq

    def refresh_target(
        self, message: Request | Response, source: Address | None = None
    ) -> None:
        """Take the Contact of a target refresh request, or of its 2xx (§12.2.1.2, §12.2.2).

        `source` is where the request came from.
        """
        self._target = contact_of(message) or self._target
        self._source = source or self._source

    @property
    def secure(self) -> bool:
        """Whether the other side is to be reached by `sips:` alone (§12.1)."""
        return self._target.scheme == "sips"

    @property
    def next_hop(self) -> Address:
        """Where the next request goes."""
        routes = self._route_set
        return self._address_of(parse_name_addr(routes[0]).uri if routes else self._target)

    def request(
        self,
        method: str,
        via: Callable[[Address], str],
        headers: HeaderLines = (),
        body: bytes = b"",
        *,
        cseq: int | None = None,
    ) -> tuple[Request, Address]:
        """Make the next request inside the dialog, and say where it goes (§12.2.1.1).

        `via` makes the Via for that place. `cseq` is the number of the INVITE in its ACK.
        """
        if cseq is None:
            self.local_cseq = cseq = self.local_cseq + 1
        uri, routes = self._target.text, self._route_set
        to = self.next_hop
        if routes:
            first = parse_name_addr(routes[0])
            if first.uri.param("lr") is None:
                # A strict router wants itself in the Request-URI and the target last.
                uri, routes = first.uri_text, [*routes[1:], f"<{uri}>"]
        lines = Headers()
        lines.add("Via", via(to))
        lines.add("Max-Forwards", MAX_FORWARDS)
        for route in routes:
            lines.add("Route", route)
        lines.add("From", self._local)
        lines.add("To", self._remote)
        lines.add("Call-ID", self.id[0])
        lines.add("CSeq", f"{cseq} {method}")
        for name, value in headers:
            lines.add(name, value)
        return Request(method, uri, lines, body), to

    def _address_of(self, hop: Uri) -> Address:
        host = (hop.param("maddr") or hop.host).strip("[]")
        if self._behind_nat or not is_ip(host):
            # Names are not looked up: who sent the INVITE is the hop that knows the name.
            return self._source
        return _over(hop, host, self._source)


def _over(hop: Uri, host: str, source: Address) -> Address:
    """Return `host` as the address of `hop`, over the connection of `source` if it is there."""
    named = transport_named(hop.param("transport") or "")
    transport = Transport.TLS if hop.scheme == "sips" else named or source.transport
    to = Address(host, hop.port or transport.default_port, transport)
    if transport is not source.transport or host != source.host or not transport.reliable:
        return to
    # RFC 5923: whoever called over a connection is reached over it while it is open.
    return to._replace(flow=source.flow or source[:2], domain=source.domain)


def _is_translated(invite: Request, source: Address) -> bool:
    """Whether the sender of the INVITE sits behind NAT and answers through it (RFC 3581)."""
    via = invite.via
    through = source.transport.reliable or via.param("rport") is not None
    return through and via.host != source.host


def _is_hidden(contact: str, source: str) -> bool:
    """Whether a Contact names a private address that means nothing where `source` is seen."""
    contact = contact.strip("[]")
    return is_ip(contact) and _is_private(contact) and not _is_private(source)


def _is_private(host: str) -> bool:
    return any(ip_address(host) in network for network in _UNROUTED)
