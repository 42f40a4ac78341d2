"""Via, and where a response goes (RFC 3261 §18.2, RFC 3581)."""

import re
from dataclasses import dataclass

from ivr.sip.address import Address, is_ip
from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import TOKEN, Params, param_of, parse_params

MAGIC_COOKIE = "z9hG4bK"

_VIA = re.compile(
    rf"(SIP[ \t]*+/[ \t]*+[0-9.]++[ \t]*+/[ \t]*+({TOKEN}))[ \t]++"
    r"((\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._\-]++)[ \t]*+(?::[ \t]*+([0-9]{1,5}))?)[ \t]*+(;.*+)?",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Via:
    """One hop.

    `text` is the value as written; `host` is without the brackets of IPv6;
    `port` is None when not written.
    """

    text: str
    protocol: str
    sent_by: str
    host: str
    port: int | None
    params: Params

    @property
    def branch(self) -> str:
        """The branch, "" without one."""
        return param_of(self.params, "branch") or ""

    @property
    def has_unique_branch(self) -> bool:
        """Whether the branch identifies the transaction by itself (RFC 3261 §8.1.1.7)."""
        branch = self.branch
        return len(branch) > len(MAGIC_COOKIE) and branch.startswith(MAGIC_COOKIE)

    def param(self, name: str) -> str | None:
        """Return the value of a parameter, "" when it has none, None without it."""
        return param_of(self.params, name)

    def received_from(self, source: Address) -> str:
        """Return this Via for the response: `received` and `rport` say where it came from.

        `rport` is for datagrams (RFC 3581 §4): a connection leads back by itself.
        """
        wants_rport = self.param("rport") is not None and not source.transport.reliable
        if self.host == source.host and not wants_rport:
            return self.text
        known = ("received", "rport") if wants_rport else ("received",)
        params = [item for item in self.params if item[0] not in known]
        params.append(("received", source.host))
        if wants_rport:
            params.append(("rport", str(source.port)))
        text = f"{self.protocol} {self.sent_by}"
        for name, value in params:
            text += f";{name}" if value is None else f";{name}={value}"
        return text

    def response_address(self, source: Address, *, follow_maddr: bool = False) -> Address:
        """Return where the response to a message from `source` goes (§18.2.2).

        `maddr` is only followed when asked to: anybody could have our answers sent
        to anybody.
        """
        transport = source.transport
        port = transport.default_port if self.port is None else self.port
        if transport.reliable:
            domain = "" if is_ip(self.host) else self.host
            return Address(source.host, port, transport, source[:2], domain)
        maddr = (self.param("maddr") or "").strip("[]")
        if follow_maddr and is_ip(maddr):
            return Address(maddr, port)
        if self.param("rport") is not None:
            return source
        return Address(source.host, port)


def parse_via(text: str) -> Via:
    """Parse one Via value, of any SIP version; raise MalformedMessageError."""
    found = _VIA.fullmatch(text)
    if found is None:
        raise MalformedMessageError("malformed Via")
    protocol, _, sent_by, host, port_text, params = found.groups()
    port = None if port_text is None else int(port_text)
    if port is not None and not 0 < port <= 65535:
        raise MalformedMessageError("impossible port in Via")
    parsed = parse_params(params or "")
    return Via(text, protocol, sent_by.rstrip(" \t"), host.strip("[]"), port, parsed)
