"""The gateway that the settings name, with its own table of them."""

from collections.abc import Mapping

from ivr.settings import Settings
from payment_gateway.interface import Gateway
from payment_gateway.registry import load_gateway


def open_gateway(settings: Settings) -> Gateway:
    """Return the gateway. Raise `GatewayConfigurationError`, naming what is wrong."""
    gateway = settings.gateway
    tables: Mapping[str, Mapping[str, object]] = {
        "sandbox": {"book": str(settings.sandbox_book), "slow": gateway.sandbox.slow},
        "stripe": {
            "api_key": gateway.stripe.api_key.get_secret_value(),
            "webhook_secret": gateway.stripe.webhook_secret.get_secret_value(),
            "api_base": gateway.stripe.api_base,
        },
    }
    table = tables.get(gateway.name, {})
    return load_gateway(gateway.name, {name: v for name, v in table.items() if v != ""})
