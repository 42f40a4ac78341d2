"""The conformance suite against Stripe's fake, over a real socket."""

import asyncio
from collections.abc import AsyncIterator

import pytest_twisted
from twisted.internet.defer import Deferred

from payment_gateway.results import Money
from payment_gateway.stripe_gateway import StripeGateway
from tests.fakes.stripe_api import RunningStripe
from tests.fakes.stripe_api_account import Fault
from tests.payment_gateway.bench import Wall
from tests.payment_gateway.conformance import NUMBERS, Conformance

PAYMENTS = "/v1/payment_intents"


class StripeBench:
    def __init__(self, stripe: RunningStripe) -> None:
        self.wall = Wall()
        self.slept: list[float] = []
        self.account = stripe.account
        self.gateway = StripeGateway(
            stripe.account.api_key,
            webhook_secret=stripe.account.webhook_secret,
            api_base=stripe.url,
            retries=2,
            sleep=self._sleep,
            now=self.wall,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def prepare(self, scenario: str) -> str:
        faults = {
            "late": [Fault.ERROR_BEFORE, Fault.CONFLICT],
            "silent": [Fault.DROP_BEFORE] * 3,
            "answer-lost": [Fault.DROP_AFTER] * 3,
        }[scenario]
        self.account.faults += [(PAYMENTS, fault) for fault in faults]
        return NUMBERS["approved"]

    def charges(self) -> list[tuple[str, Money]]:
        return [
            (charged.key, Money(charged.amount, charged.currency.upper()))
            for charged in self.account.charges
        ]

    def webhook(self, key: str, age: float = 0) -> tuple[bytes, dict[str, str]]:
        event = next(
            event
            for event in self.account.events
            if event["data"]["object"]["metadata"]["solde_attempt"] == key
        )
        return self.account.sign(event, self.wall().timestamp() - age)


@pytest_twisted.async_yield_fixture()  # type: ignore[untyped-decorator]  # it has no types
async def bench(stripe: RunningStripe) -> AsyncIterator[StripeBench]:
    made = StripeBench(stripe)
    yield made
    await Deferred.fromFuture(asyncio.ensure_future(made.gateway.close()))
    assert made.account.faults == []


class TestStripeConforms(Conformance):
    pass
