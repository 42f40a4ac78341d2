"""The ledger as an ivr process uses it: one object with all that writes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ivr.ledger import (
    attempt_ends,
    attempts,
    debts,
    inquiries,
    orphans,
    trunks,
    webhooks,
)
from ivr.ledger.attempts import Attempt
from ivr.ledger.database import Database
from ivr.ledger.debts import Debt, NewDebt
from ivr.ledger.events import Event
from ivr.ledger.journal import MOST_WAITING, Journal, Writing
from ivr.ledger.webhooks import Webhook
from ivr.vocabulary import AttemptState


class LedgerWriter:
    """One for each ivr process. `node` names the process; no two running ones share a name.

    `now` gives aware moments. Each method tells more where it forwards to; all that are
    awaited raise `LedgerUnavailableError`.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        now: Callable[[], datetime],
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.node = node
        self._database = database
        self._now = now
        self._journal = Journal(database, node, now, most_waiting)

    @property
    def waiting(self) -> int:
        """How many events are not known to be in the database."""
        return self._journal.waiting

    async def start(self) -> None:
        """Begin to write in the background."""
        await self._journal.start()

    async def close(self) -> None:
        """Write what waits, and stop."""
        await self._journal.close()

    def record(self, event: Event) -> None:
        """Take an event down. Never waits, never raises."""
        self._journal.record(event)

    async def flush(self) -> None:
        """Return once all that was recorded so far is committed."""
        await self._journal.flush()

    async def find_debt(self, reference: str) -> Debt | None:
        """Return the debt with this reference, or None."""
        return await debts.find_debt(self._database, reference)

    async def add_debts(self, added: Sequence[NewDebt]) -> int:
        """Load debts, all or none. Raise `DebtsRefusedError`."""
        return await debts.add_debts(self._database, added, self._now)

    async def begin_attempt(
        self,
        *,
        transaction_id: str,
        debt_id: str,
        call_id: str | None,
        key: str,
        gateway: str,
        amount: int,
        currency: str,
    ) -> Attempt:
        """Commit a pending attempt; only then may the gateway be called.

        Raise `DebtAlreadyPaidError`, `AttemptInProgressError`, `AmountExceedsDebtError`.
        """
        return await attempts.begin_attempt(
            self._journal,
            self._now,
            transaction_id=transaction_id,
            debt_id=debt_id,
            call_id=call_id,
            key=key,
            gateway=gateway,
            amount=amount,
            currency=currency,
        )

    async def finish_attempt(
        self,
        key: str,
        *,
        state: AttemptState,
        reference: str | None = None,
        code: str | None = None,
        advice: str | None = None,
        brand: str | None = None,
        last4: str | None = None,
    ) -> bool:
        """Commit an attempt's end; return False when it had ended before."""
        return await attempt_ends.finish_attempt(
            self._journal,
            self._now,
            key,
            state=state,
            reference=reference,
            code=code,
            advice=advice,
            brand=brand,
            last4=last4,
        )

    async def open_attempts(
        self, *, node: str | None = None, older_than: datetime | None = None
    ) -> list[Attempt]:
        """Return the attempts whose end is not known, oldest first."""
        return await inquiries.open_attempts(self._database, node=node, older_than=older_than)

    async def claim_open_attempt(
        self,
        *,
        not_inquired_since: datetime,
        node: str | None = None,
        older_than: datetime | None = None,
    ) -> Attempt | None:
        """Return one open attempt that no other node is given; None when none waits."""
        return await inquiries.claim_open_attempt(
            self._database,
            self._now,
            node=node,
            older_than=older_than,
            not_inquired_since=not_inquired_since,
        )

    async def close_orphans(self) -> int:
        """End the calls this node left alive when it died; return how many."""
        return await orphans.close_orphans(self._journal, self._now, self.node)

    async def forget_trunks(self) -> None:
        """Take out what this node has told of its trunks: it knows nothing of them now."""

        async def work(writing: Writing) -> None:
            await trunks.forget_trunks(writing.connection, self.node)

        await self._journal.commit(work)

    async def keep_webhook(
        self, *, gateway: str, headers: Mapping[str, str], body: bytes
    ) -> int:
        """Keep a gateway's notice; return its id."""
        return await webhooks.keep_webhook(
            self._database, self._now, gateway=gateway, headers=headers, body=body
        )

    async def unhandled_webhooks(self, most: int = 100) -> list[Webhook]:
        """Return notices that no node has marked yet, oldest first."""
        return await webhooks.unhandled_webhooks(self._database, most)

    async def mark_webhook(self, webhook_id: int, notice_id: str | None, outcome: str) -> bool:
        """Mark a notice as handled; return False when it is a repeat."""
        return await webhooks.mark_webhook(
            self._database, self._now, webhook_id, notice_id, outcome
        )
