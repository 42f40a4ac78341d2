"""Asking how attempts ended whose end nobody knows: after a crash or a lost answer."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from ivr.calls.cashier import AttemptLedger, record_end
from ivr.ledger.attempts import Attempt
from ivr.ledger.database import LedgerUnavailableError
from payment_gateway.interface import Gateway, GatewayError
from payment_gateway.results import Outcome

_log = structlog.get_logger(__name__)

_ANOTHER_NODE_IS_GONE = timedelta(minutes=10)


class OpenAttempts(AttemptLedger, Protocol):
    """What recovery needs of the ledger."""

    async def claim_open_attempt(
        self,
        *,
        node: str | None = None,
        older_than: datetime | None = None,
        not_inquired_since: datetime,
    ) -> Attempt | None:
        """Take one open attempt to inquire about, which no other node takes meanwhile."""


class Recovery:
    """Inquires about open attempts. `once` is called at start and then regularly."""

    def __init__(
        self,
        ledger: OpenAttempts,
        gateway: Gateway,
        node: str,
        now: Callable[[], datetime],
        is_running: Callable[[str], bool],
        interval: float,
    ) -> None:
        """`is_running` tells whether a call of this process works on the attempt of a key."""
        self._ledger = ledger
        self._gateway = gateway
        self._node = node
        self._now = now
        self._is_running = is_running
        # Half, so that this node's own next round finds its claim lapsed.
        self._claim = timedelta(seconds=interval) / 2

    async def once(self) -> int:
        """Inquire about each open attempt that no call is working on; return how many ended."""
        settled = 0
        # Taken once, so that a round meets each attempt once.
        began = self._now()
        try:
            for node, older_than in (
                (self._node, None),
                (None, began - _ANOTHER_NODE_IS_GONE),
            ):
                while attempt := await self._ledger.claim_open_attempt(
                    node=node,
                    older_than=older_than,
                    not_inquired_since=began - self._claim,
                ):
                    settled += await self._settle(attempt)
        except LedgerUnavailableError as error:
            _log.warning("recovery.postponed", why=str(error))
        return settled

    async def _settle(self, attempt: Attempt) -> bool:
        if self._is_running(attempt.key):
            return False
        if attempt.gateway != self._gateway.name:
            _log.error(
                "attempt.of-another-gateway", attempt=attempt.id, gateway=attempt.gateway
            )
            return False
        try:
            result = await self._gateway.inquire(
                attempt.key, attempt.reference, since=attempt.created_at
            )
        except GatewayError as error:
            _log.critical("gateway.misconfigured", attempt=attempt.id, why=str(error))
            return False
        if result.outcome is Outcome.UNKNOWN:
            return False
        settled = await record_end(self._ledger, attempt.key, result)
        _log.info("attempt.settled", attempt=attempt.id, outcome=str(result.outcome))
        return settled
