"""The one seam between the payment journey and a provider.

The verbs are ActiveMerchant's. A decline is returned, never raised; exceptions
are for configuration and bugs; an end that is not known is `Outcome.UNKNOWN`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from payment_gateway.card import Card
from payment_gateway.results import Money, Notice, Result


class GatewayError(Exception):
    """Base of what a gateway raises."""


class GatewayConfigurationError(GatewayError):
    """The key, the account or a setting is wrong; the message names it, never its value."""


class UnsupportedOperationError(GatewayError):
    """The adapter does not declare this capability."""


class WebhookRefusedError(GatewayError):
    """The webhook's signature, age or body is not right."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do; a journey switches menu entries off by it."""

    purchase: bool = True
    authorize: bool = False
    refund: bool = False
    store: bool = False
    inquire: bool = True
    webhooks: bool = False


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """One payment to ask for.

    `key` is the idempotency key of the attempt, committed to the ledger before
    the gateway sees it; at most 255 characters, no card digit in it.
    """

    key: str
    money: Money
    statement_suffix: str = ""
    """Up to 22 characters on the debtor's card statement."""
    network: str | None = None
    """The brand chosen by the payer of a co-badged card (EU 2015/751)."""
    metadata: Mapping[str, str] = field(default_factory=dict)


class Gateway(Protocol):
    """A payment gateway. Every verb is safe to call twice with the same `key`."""

    name: str
    capabilities: Capabilities

    async def purchase(self, request: PaymentRequest, card: Card) -> Result:
        """Charge the card now, as a telephone order (MOTO)."""

    async def authorize(self, request: PaymentRequest, card: Card) -> Result:
        """Reserve the amount; `capture` or `void` ends it."""

    async def capture(self, reference: str, money: Money, key: str) -> Result:
        """Take an authorised amount, or part of it."""

    async def void(self, reference: str, key: str) -> Result:
        """Give an authorised amount back before capture."""

    async def refund(self, reference: str, money: Money, key: str) -> Result:
        """Pay back a charge, or part of it."""

    async def store(self, card: Card, key: str) -> Result:
        """Keep the card at the gateway; `Result.stored` is its token."""

    async def charge_stored(self, request: PaymentRequest, stored: str) -> Result:
        """Charge a stored card, merchant initiated: no security code, no MOTO."""

    async def inquire(self, key: str, reference: str | None = None) -> Result:
        """Tell how the attempt with this key ended.

        `Outcome.NOT_CHARGED` means that the gateway has certainly no charge for it and
        will make none; `Outcome.UNKNOWN` means ask again later.
        """

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Verify and read a webhook. Raise `WebhookRefusedError`."""

    async def close(self) -> None:
        """Release connections."""
