"""Finds a gateway by name among those that are installed (entry points `solde.gateways`)."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from payment_gateway.interface import Gateway, GatewayConfigurationError

GROUP = "solde.gateways"


def installed() -> tuple[str, ...]:
    """Return the names a configuration may use, in order."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load_gateway(name: str, settings: Mapping[str, object]) -> Gateway:
    """Build the gateway of that name from its section of the configuration.

    An entry point is a function that takes the settings and returns a `Gateway`.
    Raise `GatewayConfigurationError` for a name that is not installed, and for
    whatever the gateway finds wrong in its settings.
    """
    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        known = ", ".join(installed()) or "none"
        raise GatewayConfigurationError(
            f"no payment gateway is called {name!r}; installed: {known}"
        )
    gateway: Gateway = found.load()(settings)
    return gateway
