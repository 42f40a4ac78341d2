"""From a sealed card to a recorded end: the only place that asks a gateway for money.

The attempt is committed before the gateway is called and its end after. Between the two
nothing may be guessed: whatever is not known for certain stays `unknown`, is inquired
about (`recovery`), and is never charged again.
"""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ivr.aio import deferred
from ivr.clock import Clock
from ivr.faults import place
from ivr.journey.charging import Charge, ChargeEnd
from ivr.ledger.attempts import (
    AmountExceedsDebtError,
    Attempt,
    AttemptInProgressError,
    DebtAlreadyPaidError,
)
from ivr.ledger.database import LedgerUnavailableError
from ivr.ledger.events import new_id
from ivr.vocabulary import AttemptState
from payment_gateway.card import Card
from payment_gateway.interface import Gateway, GatewayError, PaymentRequest
from payment_gateway.results import Money, Outcome, Result

_log = structlog.get_logger(__name__)

STATE = {
    Outcome.SUCCEEDED: AttemptState.SUCCEEDED,
    Outcome.DECLINED: AttemptState.DECLINED,
    Outcome.NOT_CHARGED: AttemptState.NOT_CHARGED,
    Outcome.UNKNOWN: AttemptState.UNKNOWN,
}
_END = {
    Outcome.SUCCEEDED: ChargeEnd.SUCCEEDED,
    Outcome.DECLINED: ChargeEnd.DECLINED,
    Outcome.NOT_CHARGED: ChargeEnd.NOT_CHARGED,
    Outcome.UNKNOWN: ChargeEnd.UNKNOWN,
}
"""Each outcome of a gateway in the ledger's words."""


class AttemptLedger(Protocol):
    """What the cashier needs of the ledger."""

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
        """Commit an attempt. Raise why it must not be made."""

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
        """Commit an attempt's end; False when it had one already."""


async def record_end(ledger: AttemptLedger, key: str, result: Result) -> bool:
    """Commit a gateway's answer to the attempt `key`; False when its end was known already."""
    return await ledger.finish_attempt(
        key,
        state=STATE[result.outcome],
        reference=result.reference,
        code=result.code,
        advice=result.advice,
        brand=result.card.brand if result.card else None,
        last4=result.card.last4 if result.card else None,
    )


class CashDesk:
    """Charges for all calls of this process; outlives each of them."""

    def __init__(
        self,
        clock: Clock,
        ledger: AttemptLedger,
        gateway: Gateway,
        deadline: float,
        statement_suffix: str,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._gateway = gateway
        self._deadline = deadline
        self._statement_suffix = statement_suffix
        self._running: dict[str, asyncio.Task[Charge]] = {}

    def for_call(self, call_id: str, transaction_id: str) -> "CallCashier":
        """Return the cashier of one call."""
        return CallCashier(self, call_id, transaction_id)

    def charge(
        self, call_id: str, transaction_id: str, debt_id: str, money: Money, card: Card
    ) -> Deferred[Charge]:
        """Charge `card`; after the deadline answer `UNKNOWN` while the charge goes on."""
        key = f"solde-{new_id()}"
        answer: Deferred[Charge] = Deferred()
        task = asyncio.ensure_future(
            self._attempt(key, call_id, transaction_id, debt_id, money, card)
        )
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key))
        late = self._clock.callLater(self._deadline, self._late, key, answer)

        def ended(charge: Charge) -> None:
            if late.active():
                late.cancel()
            if not answer.called:
                answer.callback(charge)

        def failed(failure: Failure) -> None:
            _log.critical("charge.failed", attempt=key, **place(failure.value))
            ended(Charge(ChargeEnd.UNKNOWN))

        Deferred.fromFuture(task).addCallbacks(ended, failed)
        return answer

    async def idle(self) -> None:
        """Wait until no charge is under way."""
        while self._running:
            await asyncio.wait(self._running.values())

    def is_running(self, key: str) -> bool:
        """Whether the attempt `key` is being made now."""
        return key in self._running

    async def _attempt(
        self,
        key: str,
        call_id: str,
        transaction_id: str,
        debt_id: str,
        money: Money,
        card: Card,
    ) -> Charge:
        with card:
            refused = await self._begin(key, call_id, transaction_id, debt_id, money)
            if refused is not None:
                return Charge(refused)
            result = await self._purchase(key, transaction_id, money, card)
        await self._recorded(key, record_end(self._ledger, key, result))
        return Charge(_END[result.outcome], result.advice)

    async def _begin(
        self, key: str, call_id: str, transaction_id: str, debt_id: str, money: Money
    ) -> ChargeEnd | None:
        try:
            await self._ledger.begin_attempt(
                transaction_id=transaction_id,
                debt_id=debt_id,
                call_id=call_id,
                key=key,
                gateway=self._gateway.name,
                amount=money.amount,
                currency=money.currency,
            )
        except (DebtAlreadyPaidError, AmountExceedsDebtError):
            return ChargeEnd.ALREADY_PAID
        except AttemptInProgressError:
            return ChargeEnd.IN_PROGRESS
        except LedgerUnavailableError as error:
            _log.error("charge.refused", attempt=key, why=str(error))
            return ChargeEnd.LEDGER_UNAVAILABLE
        except Exception as error:  # noqa: BLE001 - a bug before the charge: nothing is charged
            _log.critical("charge.refused", attempt=key, **place(error))
            return ChargeEnd.LEDGER_UNAVAILABLE
        return None

    async def _purchase(
        self, key: str, transaction_id: str, money: Money, card: Card
    ) -> Result:
        request = PaymentRequest(
            key=key,
            money=money,
            statement_suffix=self._statement_suffix,
            metadata={"solde_transaction": transaction_id},
        )
        try:
            return await self._gateway.purchase(request, card)
        except GatewayError as error:
            # An adapter raises only where it is certain that nothing was charged.
            _log.critical("gateway.misconfigured", attempt=key, why=str(error))
            return Result(Outcome.NOT_CHARGED)
        except Exception as error:  # noqa: BLE001 - an adapter's bug must not lose a charge
            _log.critical("gateway.failed", attempt=key, **place(error))
            return Result(Outcome.UNKNOWN)

    def _late(self, key: str, answer: Deferred[Charge]) -> None:
        _log.warning("charge.late", attempt=key, seconds=self._deadline)
        unknown = self._ledger.finish_attempt(key, state=AttemptState.UNKNOWN)
        deferred(self._recorded(key, unknown))
        answer.callback(Charge(ChargeEnd.UNKNOWN))

    @staticmethod
    async def _recorded(key: str, recording: Awaitable[bool]) -> None:
        """Wait for an end to be recorded.

        Where that fails the attempt stays open: `recovery` asks the gateway later.
        """
        try:
            await recording
        except LedgerUnavailableError as error:
            _log.error("charge.end-not-recorded", attempt=key, why=str(error))
        except Exception as error:  # noqa: BLE001 - a bug must not hide the gateway's answer
            _log.critical("charge.end-not-recorded", attempt=key, **place(error))


class CallCashier:
    """The cash desk as one call sees it."""

    def __init__(self, desk: CashDesk, call_id: str, transaction_id: str) -> None:
        self._desk = desk
        self._call_id = call_id
        self._transaction_id = transaction_id

    def charge(self, debt_id: str, money: Money, card: Card) -> Deferred[Charge]:
        """Charge `card` for this call's transaction."""
        return self._desk.charge(self._call_id, self._transaction_id, debt_id, money, card)
