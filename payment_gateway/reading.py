"""Reads an adapter's settings; every refusal names the setting, never its value."""

from collections.abc import Mapping

from payment_gateway.interface import GatewayConfigurationError


class SettingsReader:
    """Takes settings out of a mapping one by one, then refuses what is left over."""

    def __init__(self, gateway: str, settings: Mapping[str, object]) -> None:
        self._gateway = gateway
        self._left = dict(settings)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text. Without `default` it must be there and not empty.

        Raise `GatewayConfigurationError`, as every method here does.
        """
        value = self._left.pop(name, None)
        if value is None or value == "":
            if default is None:
                raise self._refusal(name, "is missing")
            return default
        if not isinstance(value, str):
            raise self._refusal(name, "is not a text")
        return value

    def number(self, name: str, default: float) -> float:
        """Return a number that is not negative."""
        value = self._left.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refusal(name, "is not a number")
        if not value >= 0:
            raise self._refusal(name, "is negative")
        return float(value)

    def whole(self, name: str, default: int) -> int:
        """Return a whole number that is not negative."""
        value = self.number(name, default)
        if not value.is_integer():
            raise self._refusal(name, "is not a whole number")
        return int(value)

    def done(self) -> None:
        """Refuse settings that nothing asked for: most are misspelt."""
        if self._left:
            raise self._refusal(min(self._left), "is not a setting of this gateway")

    def _refusal(self, name: str, fault: str) -> GatewayConfigurationError:
        return GatewayConfigurationError(f"gateway.{self._gateway}.{name} {fault}")
