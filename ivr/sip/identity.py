"""How this user agent names itself in its messages: Via, Contact, Server."""

from dataclasses import dataclass

from ivr.sip.address import Address
from ivr.sip.client_transaction import new_branch


@dataclass(frozen=True, slots=True)
class Identity:
    """What others are told of us. `local` is the address they reach us at."""

    local: Address
    name: str = "Solde"

    def via(self, to: Address) -> str:
        """Return the Via of a new transaction with the hop `to` (RFC 3261 §8.1.1.7)."""
        protocol = to.transport.upper()
        return f"SIP/2.0/{protocol} {self.local.in_uri()};branch={new_branch()};rport"

    def contact(self, scheme: str = "sip") -> tuple[str, str]:
        """Return the Contact header: where requests inside a dialog reach us (§8.1.1.8)."""
        return ("Contact", f"<{scheme}:{self.local.in_uri()}>")
