"""How this user agent names itself in its messages: Via, Contact, Server."""

from dataclasses import dataclass

from ivr.sip.address import Address, Transport
from ivr.sip.client_transaction import new_branch


@dataclass(frozen=True, slots=True)
class Identity:
    """What others are told of us. `local` is the address they reach us at.

    `others` are the same for other transports and for the other IP version.
    """

    local: Address
    name: str = "Solde"
    others: tuple[Address, ...] = ()

    @property
    def takes_tcp(self) -> bool:
        """Whether we can be reached over TCP."""
        return any(one.transport is Transport.TCP for one in (self.local, *self.others))

    def reached_at(self, to: Address) -> Address:
        """Return the address of ours that is right for the other end `to`."""
        ours = [one for one in (self.local, *self.others) if one.transport is to.transport]
        for one in ours:
            if (":" in one.host) == (":" in to.host):
                return one
        return ours[0] if ours else self.local._replace(transport=to.transport)

    def via(self, to: Address, branch: str = "") -> str:
        """Return the Via of a transaction with the hop `to` (RFC 3261 §8.1.1.7).

        It is a new one unless its `branch` is given.
        """
        via = f"SIP/2.0/{to.transport.upper()} {self.reached_at(to).in_uri()}"
        rport = "" if to.transport.reliable else ";rport"
        return f"{via};branch={branch or new_branch()}{rport}"

    def contact(self, scheme: str = "sip", to: Address | None = None) -> tuple[str, str]:
        """Return the Contact header: where requests inside a dialog reach us (§8.1.1.8).

        `to` is who will read it: requests come back over the transport that goes there.
        """
        ours = self.local if to is None else self.reached_at(to)
        if ours.transport is Transport.UDP:
            return ("Contact", f"<{scheme}:{ours.in_uri()}>")
        # `sips:` says TLS already; its transport parameter would be the one below (§26.2.2).
        transport = Transport.TCP if scheme == "sips" else ours.transport
        return ("Contact", f"<{scheme}:{ours.in_uri()};transport={transport}>")
