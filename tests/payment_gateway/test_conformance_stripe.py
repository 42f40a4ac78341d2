"""The conformance suite against Stripe's fake, over a real socket."""

from tests.payment_gateway.conformance import Conformance


class TestStripeConforms(Conformance):
    """`bench` is in `conftest.py`."""
