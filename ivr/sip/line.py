"""A trunk in use: its secrets, its calls, whether it is up."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ivr.sip.digest_client import DigestClient
from ivr.sip.trunk import Trunk

if TYPE_CHECKING:
    from ivr.sip.registration import Registration
    from ivr.sip.watch import Watch


class Line:
    """What calls, registrations and pings over one trunk share.

    `calls` counts calls of ours that have not ended. `registration` is None when the
    trunk needs none, `watch` until the line is in use.
    """

    def __init__(self, trunk: Trunk) -> None:
        self.trunk = trunk
        self.digest = DigestClient(trunk.credentials)
        self.calls = 0
        self.registration: Registration | None = None
        self.watch: Watch | None = None
        name = hashlib.blake2b(trunk.name.encode(), digest_size=6)
        self.token = name.hexdigest()
        """Stands in the `line` parameter of our Contact there, and comes back in its calls."""

    @property
    def refusal(self) -> str:
        """Why no further call may be made now, "" when one may.

        Calls that come over it are taken all the same: they show that it works.
        """
        if self.watch is not None and self.watch.is_down:
            return "Trunk is down"
        limit = self.trunk.max_calls
        return "Trunk is full" if limit is not None and self.calls >= limit else ""

    @property
    def routes(self) -> tuple[str, ...]:
        """The Route of requests outside dialogs: the outbound proxy (RFC 3261 §8.1.1.1)."""
        proxy = self.trunk.outbound_proxy
        if not proxy:
            return ()
        return (f"<{proxy}>" if ";lr" in proxy.lower() else f"<{proxy};lr>",)
