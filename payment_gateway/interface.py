"""The one seam between the payment journey and a provider.

The verbs are ActiveMerchant's. A decline is returned, never raised; exceptions
are for configuration and bugs; an end that is not known is `Outcome.UNKNOWN`.

    GatewayError                    this call has charged nothing
      GatewayConfigurationError     key, account or a setting
      UnsupportedOperationError     not among the adapter's capabilities
      RequestRefusedError           the payment cannot be treated so
      KeyReusedError                same key, other parameters
      WebhookRefusedError           not from the gateway, or too old
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from payment_gateway.card import Card
from payment_gateway.results import Money, Notice, Result

KEY_LENGTH = 240
"""Longest idempotency key: gateways take 255, and an adapter appends a word of its own."""


class GatewayError(Exception):
    """Base of what a gateway raises.

    It is raised only when this call has certainly charged nothing: whatever may
    have, is a `Result` with `Outcome.UNKNOWN`. Neither the message nor the
    traceback's frames hold a card detail.
    """


class GatewayConfigurationError(GatewayError):
    """The key, the account or a setting is wrong; the message names it, never its value."""


class UnsupportedOperationError(GatewayError):
    """The adapter does not declare this capability."""


class RequestRefusedError(GatewayError):
    """The gateway will not do this: amount too small, nothing to refund, no such payment."""


class KeyReusedError(GatewayError):
    """The idempotency key was used before with other parameters: a bug in the caller.

    The payment that was first asked for under the key keeps its own end.
    """


class WebhookRefusedError(GatewayError):
    """The webhook's signature, age or body is not right."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do; a journey switches menu entries off by it."""

    purchase: bool = True
    authorize: bool = False
    """Also `capture` and `void`."""
    refund: bool = False
    store: bool = False
    """Also `charge_stored`."""
    inquire: bool = True
    webhooks: bool = False


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """One payment to ask for.

    `key` is the idempotency key of the attempt, committed to the ledger before
    the gateway sees it: 1 to 240 printable ASCII characters, no card digit in it.
    `money` is not zero. Raise `ValueError` otherwise.
    """

    key: str
    money: Money
    statement_suffix: str = ""
    """What the debtor's card statement shows after the account's name; adapters shorten it."""
    network: str | None = None
    """The brand chosen by the payer of a co-badged card (EU 2015/751), as in `brands`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The gateway keeps these beside the payment; never personal data."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.key) <= KEY_LENGTH:
            raise ValueError(f"an idempotency key has 1 to {KEY_LENGTH} characters")
        if not (self.key.isascii() and self.key.isprintable()):
            raise ValueError("an idempotency key is printable ASCII")
        if self.money.amount == 0:
            raise ValueError("a payment is of more than nothing")


class Gateway(Protocol):
    """A payment gateway.

    Every verb is safe to call twice with the same `key` and parameters: the second
    call has the first one's end. The same key with other parameters raises
    `KeyReusedError`. A card stays the caller's: no verb wipes it. A verb that is
    cancelled while it runs leaves an end that is not known: `inquire`.
    """

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

    async def inquire(
        self, key: str, reference: str | None = None, since: datetime | None = None
    ) -> Result:
        """Tell how the attempt with this key ended.

        `since` is when the attempt was committed, with its time zone. Without it
        an attempt that the gateway does not know stays unknown.
        `Outcome.NOT_CHARGED` means that the gateway has certainly no charge for it and
        will make none; `Outcome.UNKNOWN` means ask again later.
        """

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Verify and read a webhook. Raise `WebhookRefusedError`."""

    async def close(self) -> None:
        """Release connections."""
