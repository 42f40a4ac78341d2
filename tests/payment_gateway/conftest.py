"""Fixtures of the gateway tests. What needs a key of Stripe's is collected only with one."""

import os
from collections.abc import Iterator

import pytest

from tests.fakes.stripe_api import RunningStripe, running_stripe

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
