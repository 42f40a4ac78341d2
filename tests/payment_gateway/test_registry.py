from collections.abc import Mapping
from pathlib import Path

import pytest

from payment_gateway.interface import GatewayConfigurationError
from payment_gateway.registry import installed, load_gateway
from payment_gateway.sandbox import SandboxGateway
from payment_gateway.stripe_gateway import StripeGateway


async def test_both_gateways_are_found_by_name(tmp_path: Path) -> None:
    assert {"sandbox", "stripe"} <= set(installed())
    sandbox = load_gateway("sandbox", {"book": str(tmp_path / "book.sqlite"), "slow": 0.5})
    stripe = load_gateway("stripe", {"api_key": "rk_test_1", "webhook_secret": "whsec_1"})
    assert isinstance(sandbox, SandboxGateway)
    assert isinstance(stripe, StripeGateway)
    assert stripe.capabilities.webhooks
    assert not sandbox.capabilities.webhooks
    await sandbox.close()
    await stripe.close()


def test_an_unknown_name_is_told_what_is_there() -> None:
    with pytest.raises(GatewayConfigurationError, match=r"'strip'.*sandbox.*stripe"):
        load_gateway("strip", {})


@pytest.mark.parametrize(
    ("name", "settings", "named"),
    [
        ("stripe", {}, "gateway.stripe.api_key is missing"),
        ("stripe", {"api_key": ""}, "gateway.stripe.api_key is missing"),
        ("stripe", {"api_key": "pk_live_SECRET"}, "gateway.stripe.api_key is not"),
        ("stripe", {"api_key": b"sk_SECRET"}, "gateway.stripe.api_key is not a text"),
        ("stripe", {"api_key": "sk_SECRET", "api_bsae": "SECRET"}, "gateway.stripe.api_bsae"),
        ("stripe", {"api_key": "sk_SECRET", "timeout": "9"}, "gateway.stripe.timeout"),
        ("stripe", {"api_key": "sk_SECRET", "timeout": True}, "gateway.stripe.timeout"),
        ("stripe", {"api_key": "sk_SECRET", "timeout": -1}, "gateway.stripe.timeout"),
        ("stripe", {"api_key": "sk_SECRET", "retries": 1.5}, "gateway.stripe.retries"),
        ("stripe", {"api_key": "sk_SECRET", "settle": 40}, "gateway.stripe.settle"),
        ("stripe", {"api_key": "sk_SECRET", "api_base": "http://10.0.0.1"}, "api_base"),
        ("stripe", {"api_key": "sk_SECRET", "api_base": "http://example.org"}, "api_base"),
        ("stripe", {"api_key": "sk_SECRET", "api_base": "api.stripe.com"}, "api_base"),
        ("sandbox", {}, "gateway.sandbox.book is missing"),
        ("sandbox", {"book": "/nowhere/at/all/book"}, "gateway.sandbox.book"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(
    name: str, settings: Mapping[str, object], named: str
) -> None:
    with pytest.raises(GatewayConfigurationError) as caught:
        load_gateway(name, settings)
    assert named in str(caught.value)
    assert "SECRET" not in str(caught.value)
