"""Stripe, for telephone orders.

A purchase is two requests: the card becomes a PaymentMethod, which can never
charge, then a PaymentIntent charges it. So whatever fails before the second was
sent has charged nothing; whatever is unclear after that is `UNKNOWN`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from payment_gateway import stripe_answers as answers
from payment_gateway import stripe_requests as requests
from payment_gateway.card import Card
from payment_gateway.interface import (
    Capabilities,
    Gateway,
    GatewayConfigurationError,
    PaymentRequest,
    RequestRefusedError,
    UnsupportedOperationError,
)
from payment_gateway.reading import SettingsReader
from payment_gateway.results import CardSummary, Money, Notice, Outcome, Result
from payment_gateway.stripe_calls import Failure
from payment_gateway.stripe_client import StripeConnection

API_BASE = "https://api.stripe.com"
TIMEOUT, DEADLINE, SETTLE, RETRIES = 15.0, 20.0, 90.0, 2
_LOOK_BACK = timedelta(hours=1)
"""How far the clocks here and at Stripe may be apart without an attempt being missed."""
_WITHOUT_DATE = timedelta(hours=24)


class StripeGateway:
    """A gateway on the Stripe API; belongs to the event loop it is first used on.

    `timeout` is for one try, `deadline` for one request with its `retries`; `settle`
    after its commit, an attempt that Stripe does not know will never be charged. All
    in seconds. `sleep` waits between tries, `now` tells the time with its zone.
    Raise `GatewayConfigurationError`.
    """

    name = "stripe"

    def __init__(
        self,
        api_key: str,
        *,
        webhook_secret: str = "",
        api_base: str = API_BASE,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        settle: float = SETTLE,
        retries: int = RETRIES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if settle <= 2 * deadline:
            raise GatewayConfigurationError(
                "gateway.stripe.settle must be more than twice gateway.stripe.deadline"
            )
        self._api = StripeConnection(
            api_key,
            api_base=api_base,
            timeout=timeout,
            deadline=deadline,
            retries=retries,
            sleep=sleep,
        )
        self.capabilities = Capabilities(
            authorize=True, refund=True, store=True, webhooks=bool(webhook_secret)
        )
        self._webhook_secret = webhook_secret
        self._settle = timedelta(seconds=settle)
        self._now = now

    async def purchase(self, request: PaymentRequest, card: Card) -> Result:
        """Charge the card now, as a telephone order."""
        return await self._pay(request, card, capture=True)

    async def authorize(self, request: PaymentRequest, card: Card) -> Result:
        """Reserve the amount; Stripe gives it back by itself after seven days."""
        return await self._pay(request, card, capture=False)

    async def capture(self, reference: str, money: Money, key: str) -> Result:
        """Take an authorised amount, or part of it. Raise `RequestRefusedError`."""

        async def send() -> Result:
            return answers.read_intent(
                await self._api.v1.payment_intents.capture_async(
                    reference,
                    {"amount_to_capture": money.amount, "expand": ["latest_charge"]},
                    {"idempotency_key": key},
                )
            )

        return await self._change(send, reference)

    async def void(self, reference: str, key: str) -> Result:
        """Give an authorised amount back. Raise `RequestRefusedError`."""

        async def send() -> Result:
            intent = await self._api.v1.payment_intents.cancel_async(
                reference, {}, {"idempotency_key": key}
            )
            return Result(Outcome.SUCCEEDED, reference=intent.id)

        return await self._change(send, reference)

    async def refund(self, reference: str, money: Money, key: str) -> Result:
        """Pay back, in parts if asked. Raise `RequestRefusedError`."""

        async def send() -> Result:
            refund = await self._api.v1.refunds.create_async(
                {"payment_intent": reference, "amount": money.amount},
                {"idempotency_key": key},
            )
            return answers.read_refund(refund, reference)

        return await self._change(send, reference)

    async def store(self, card: Card, key: str) -> Result:
        """Keep the card at Stripe for instalments; the token is `customer/payment method`."""
        method = await self._api.make_method(card, key)
        if isinstance(method, Failure):
            return answers.read_end_before_charge(method)
        method_id, summary = method

        async def make_owner() -> str:
            owner = await self._api.v1.customers.create_async(
                requests.customer(key), {"idempotency_key": f"{key}:owner"}
            )
            return owner.id

        owner = await self._api.ask(make_owner)
        if isinstance(owner, Failure):
            return answers.read_end_before_charge(owner)

        async def send() -> Result:
            kept = await self._api.v1.setup_intents.create_async(
                requests.setup(key, owner, method_id), {"idempotency_key": key}
            )
            return answers.read_setup(kept, f"{owner}/{method_id}", summary)

        return await self._end(send, summary)

    async def charge_stored(self, request: PaymentRequest, stored: str) -> Result:
        """Charge a stored card, merchant initiated. Raise `RequestRefusedError`."""
        owner, _, method_id = stored.partition("/")
        if not (owner and method_id):
            raise RequestRefusedError("stripe: that is not the token of a stored card")

        async def send() -> Result:
            return answers.read_intent(
                await self._api.v1.payment_intents.create_async(
                    requests.stored_charge(request, owner, method_id),
                    {"idempotency_key": request.key},
                )
            )

        return answers.duplicate_is_unknown(await self._end(send))

    async def inquire(
        self, key: str, reference: str | None = None, since: datetime | None = None
    ) -> Result:
        """Retrieve the PaymentIntent, or look for the key among the latest ones.

        Raise `GatewayConfigurationError` when Stripe does not let us look, and
        `RequestRefusedError` for a reference that is not there.
        """
        now = self._now()
        settled = since is not None and now - since > self._settle
        if reference is not None:

            async def send() -> Result:
                intent = await self._api.v1.payment_intents.retrieve_async(
                    reference, {"expand": ["latest_charge"]}
                )
                return answers.read_intent(intent, settled=settled)

            return self._not_known(await self._api.ask(send), reference)
        begin = since - _LOOK_BACK if since else now - _WITHOUT_DATE
        found = await self._api.find_intent(key, int(begin.timestamp()))
        if found is None:
            return Result(Outcome.NOT_CHARGED if settled else Outcome.UNKNOWN)
        if isinstance(found, Failure):
            return self._not_known(found, None)
        return answers.read_intent(found, settled=settled)

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Verify and read a webhook. Raise `WebhookRefusedError`."""
        if not self.capabilities.webhooks:
            raise UnsupportedOperationError("gateway.stripe.webhook_secret is not set")
        return self._api.read_webhook(body, headers, self._webhook_secret)

    async def close(self) -> None:
        """Close the connections to Stripe."""
        await self._api.close()

    async def _pay(self, request: PaymentRequest, card: Card, *, capture: bool) -> Result:
        method = await self._api.make_method(card, request.key)
        if isinstance(method, Failure):
            return answers.read_end_before_charge(method)
        method_id, summary = method

        async def send() -> Result:
            return answers.read_intent(
                await self._api.v1.payment_intents.create_async(
                    requests.charge(request, method_id, capture=capture),
                    {"idempotency_key": request.key},
                ),
                summary,
            )

        return answers.duplicate_is_unknown(await self._end(send, summary))

    async def _end(
        self, send: Callable[[], Awaitable[Result]], summary: CardSummary | None = None
    ) -> Result:
        answer = await self._api.ask(send)
        return answers.read_end(answer, summary) if isinstance(answer, Failure) else answer

    async def _change(self, send: Callable[[], Awaitable[Result]], reference: str) -> Result:
        answer = await self._api.ask(send)
        if isinstance(answer, Failure):
            return answers.read_end(answer, about=reference)
        return answer

    @staticmethod
    def _not_known(answer: Result | Failure, reference: str | None) -> Result:
        if isinstance(answer, Result):
            return answer
        return Result(Outcome.UNKNOWN, reference=reference, raw=answers.read_end(answer).raw)


def from_settings(settings: Mapping[str, object]) -> Gateway:
    """Build the Stripe gateway from its section of the configuration.

    `api_key` (required), `webhook_secret`, `api_base`, and in seconds `timeout`,
    `deadline`, `settle`; `retries`. Raise `GatewayConfigurationError`.
    """
    read = SettingsReader("stripe", settings)
    api_key = read.text("api_key")
    webhook_secret = read.text("webhook_secret", "")
    api_base = read.text("api_base", API_BASE)
    timeout = read.number("timeout", TIMEOUT)
    deadline = read.number("deadline", DEADLINE)
    settle = read.number("settle", SETTLE)
    retries = read.whole("retries", RETRIES)
    read.done()
    return StripeGateway(
        api_key,
        webhook_secret=webhook_secret,
        api_base=api_base,
        timeout=timeout,
        deadline=deadline,
        settle=settle,
        retries=retries,
    )
