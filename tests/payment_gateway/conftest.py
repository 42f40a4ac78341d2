"""Fixtures of the gateway tests. What needs a key of Stripe's is collected only with one."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.fakes.stripe_api import RunningStripe, running_stripe
from tests.payment_gateway.stripe_bench import StripeBench

pytest.register_assert_rewrite("tests.payment_gateway.conformance")

collect_ignore = [] if os.environ.get("SOLDE_STRIPE_TEST_KEY") else ["test_stripe_test_mode.py"]


@pytest.fixture(scope="session")
def listening_stripe() -> Iterator[RunningStripe]:
    with running_stripe() as stripe:
        yield stripe


@pytest.fixture
def stripe(listening_stripe: RunningStripe) -> RunningStripe:
    """Stripe's fake, with an account that nothing has happened to yet."""
    return listening_stripe.renewed()


@pytest_twisted.async_yield_fixture()  # type: ignore[untyped-decorator]  # it has no types
async def bench(stripe: RunningStripe) -> AsyncIterator[StripeBench]:
    """The Stripe adapter; the sandbox's tests have a bench of their own."""
    made = StripeBench(stripe)
    yield made
    await Deferred.fromFuture(asyncio.ensure_future(made.gateway.close()))
    assert made.account.faults == []
