"""The embedded gateway: moves no money, and behaves as the keyed card says.

`sandbox_cards.SANDBOX_CARDS` is the whole table of cards. In short:

    4242 4242 4242 4242   approved            4000 0000 0000 0002   declined
    5555 5555 5555 4444   approved            4000 0000 0000 9995   not enough money
    3782 822463 10005     approved            4000 0000 0000 6975   too many payments
    4000 0025 0000 1001   approved, co-badged 4000 0027 6000 3184   wants 3-D Secure
    4000 0000 0000 0127   wrong security code 4000 0000 0000 9987   lost card
    4000 0000 0000 0069   expired card        4000 0000 0000 9979   stolen card
    4000 0000 0000 0119   passing fault       4000 0000 0000 7007   never try again
    4000 0000 0000 7304   approved, late      4000 0000 0000 7403   no answer, no charge
    4000 0000 0000 7502   charged, answer lost

What a card makes happen is in the book before any waiting begins. So a process
that is killed while a slow card's answer is awaited finds the charge when it
inquires after the restart, as it would with a real gateway.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from payment_gateway.brands import identify
from payment_gateway.card import Card
from payment_gateway.declines import read_decline
from payment_gateway.interface import (
    Capabilities,
    Gateway,
    PaymentRequest,
    UnsupportedOperationError,
)
from payment_gateway.reading import SettingsReader
from payment_gateway.results import CardSummary, Money, Notice, Outcome, Result
from payment_gateway.sandbox_book import Asked, SandboxBook, StoredCard
from payment_gateway.sandbox_cards import Behaviour, Manner, judge
from payment_gateway.sandbox_webhooks import read_webhook, write_webhook

SLOW_SECONDS = 6.0
NO_ANSWER_SECONDS = 20.0
SETTLE_SECONDS = 5.0


class SandboxGateway:
    """A gateway in a SQLite file; every verb of the interface, any currency.

    `sleep` waits (seconds), `now` tells the time with its zone. Without a
    `webhook_secret` webhooks are not among its capabilities. An answer that never
    comes ends after `no_answer_seconds`, as a client's time-out would.
    Raise `GatewayConfigurationError` when the book cannot be opened.
    """

    name = "sandbox"

    def __init__(
        self,
        book: Path,
        *,
        webhook_secret: str = "",
        slow_seconds: float = SLOW_SECONDS,
        no_answer_seconds: float = NO_ANSWER_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.book = SandboxBook(book)
        self.capabilities = Capabilities(
            authorize=True, refund=True, store=True, webhooks=bool(webhook_secret)
        )
        self._secret = webhook_secret
        self._slow = slow_seconds
        self._no_answer = no_answer_seconds
        self._settle = timedelta(seconds=settle_seconds)
        self._sleep = sleep
        self._now = now

    async def purchase(self, request: PaymentRequest, card: Card) -> Result:
        """Charge the card, or not, as the table says."""
        return await self._pay("purchase", request, card)

    async def authorize(self, request: PaymentRequest, card: Card) -> Result:
        """Reserve the amount, under the same table."""
        return await self._pay("authorize", request, card)

    async def capture(self, reference: str, money: Money, key: str) -> Result:
        """Take an authorised amount, once. Raise `RequestRefusedError`."""

        def decide() -> Result:
            self.book.capture(reference, money)
            return Result(Outcome.SUCCEEDED, reference=reference, amount=money)

        return self._about("capture", reference, money, key, decide)

    async def void(self, reference: str, key: str) -> Result:
        """Give an authorised amount back. Raise `RequestRefusedError`."""

        def decide() -> Result:
            self.book.void(reference)
            return Result(Outcome.SUCCEEDED, reference=reference)

        return self._about("void", reference, None, key, decide)

    async def refund(self, reference: str, money: Money, key: str) -> Result:
        """Pay back, in parts if asked. Raise `RequestRefusedError`."""

        def decide() -> Result:
            self.book.refund(reference, money)
            return Result(Outcome.SUCCEEDED, reference=reference, amount=money)

        return self._about("refund", reference, money, key, decide)

    async def store(self, card: Card, key: str) -> Result:
        """Keep brand, last four digits and what the card will do when charged."""
        behaviour = judge(card, self._now())
        summary = _summary(card, behaviour)

        def decide() -> Result:
            if not behaviour.can_be_stored:
                return _declined(behaviour.refusal, behaviour.advice, summary)
            token = self.book.keep_card(
                StoredCard(summary.brand, summary.last4, behaviour.refusal)
            )
            return Result(Outcome.SUCCEEDED, card=summary, stored=token)

        asked = Asked("store", brand=summary.brand, last4=summary.last4)
        return self.book.answer(key, asked, decide)[0]

    async def charge_stored(self, request: PaymentRequest, stored: str) -> Result:
        """Charge a kept card. Raise `RequestRefusedError` for an unknown one."""

        def decide() -> Result:
            kept = self.book.stored_card(stored)
            summary = CardSummary(kept.brand, kept.last4)
            if kept.refusal is not None:
                return _declined(kept.refusal, None, summary)
            return self._approve(request, summary, captured=True)

        return self._about("charge_stored", stored, request.money, request.key, decide)

    async def inquire(
        self, key: str, reference: str | None = None, since: datetime | None = None
    ) -> Result:
        """Look the key up in the book; `reference` is not needed for that.

        A key that is not there was not charged once `since` is older than the settle time.
        """
        found = self.book.find(key)
        if found is not None:
            return found
        settled = since is not None and self._now() - since > self._settle
        return Result(Outcome.NOT_CHARGED if settled else Outcome.UNKNOWN, reference=reference)

    def webhook(self, key: str) -> tuple[bytes, dict[str, str]]:
        """Return the body and headers the sandbox would send about a payment it knows.

        Raise `KeyError` for a key that is not in the book.
        """
        found = self.book.find(key)
        if found is None:
            raise KeyError(key)
        return write_webhook(key, found, self._secret, self._now())

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Verify and read a webhook. Raise `WebhookRefusedError`."""
        if not self.capabilities.webhooks:
            raise UnsupportedOperationError("gateway.sandbox.webhook_secret is not set")
        return read_webhook(body, headers, self._secret, self._now())

    async def close(self) -> None:
        """Close the book."""
        self.book.close()

    async def _pay(self, verb: str, request: PaymentRequest, card: Card) -> Result:
        behaviour = judge(card, self._now())
        summary = _summary(card, behaviour)

        def decide() -> Result:
            if behaviour.manner is Manner.SILENT:
                return Result(Outcome.NOT_CHARGED, card=summary)
            if behaviour.refusal is not None:
                return _declined(behaviour.refusal, behaviour.advice, summary)
            return self._approve(request, summary, captured=verb == "purchase")

        money = request.money
        asked = Asked(
            verb, money.amount, money.currency, brand=summary.brand, last4=summary.last4
        )
        result, new = self.book.answer(request.key, asked, decide)
        if new and behaviour.manner is Manner.SLOW:
            await self._sleep(self._slow)
        if new and behaviour.manner in (Manner.SILENT, Manner.LOST):
            await self._sleep(self._no_answer)
            return Result(Outcome.UNKNOWN, card=summary)
        return result

    def _approve(
        self, request: PaymentRequest, summary: CardSummary, *, captured: bool
    ) -> Result:
        reference = self.book.open_payment(request.key, request.money, captured=captured)
        return Result(
            Outcome.SUCCEEDED, reference=reference, amount=request.money, card=summary
        )

    def _about(
        self,
        verb: str,
        about: str,
        money: Money | None,
        key: str,
        decide: Callable[[], Result],
    ) -> Result:
        asked = Asked(
            verb, money.amount if money else 0, money.currency if money else "", about=about
        )
        return self.book.answer(key, asked, decide)[0]


def from_settings(settings: Mapping[str, object]) -> Gateway:
    """Build the sandbox from its section of the configuration.

    `book` (path, required), `webhook_secret`, and in seconds `slow`, `no_answer`,
    `settle`. Raise `GatewayConfigurationError`.
    """
    read = SettingsReader("sandbox", settings)
    book = Path(read.text("book"))
    webhook_secret = read.text("webhook_secret", "")
    slow = read.number("slow", SLOW_SECONDS)
    no_answer = read.number("no_answer", NO_ANSWER_SECONDS)
    settle = read.number("settle", SETTLE_SECONDS)
    read.done()
    return SandboxGateway(
        book,
        webhook_secret=webhook_secret,
        slow_seconds=slow,
        no_answer_seconds=no_answer,
        settle_seconds=settle,
    )


def _summary(card: Card, behaviour: Behaviour) -> CardSummary:
    brand = identify(card.number_text())
    return CardSummary(
        brand=brand.name if brand else "unknown",
        last4=card.number_text()[-4:],
        networks=behaviour.networks,
    )


def _declined(refusal: str | None, advice: str | None, summary: CardSummary) -> Result:
    decline = read_decline(refusal, refusal, advice)
    raw = {"decline_code": refusal or "", "advice_code": advice or ""}
    return Result(
        Outcome.DECLINED,
        code=decline.code,
        advice=decline.advice,
        card=summary,
        raw={name: value for name, value in raw.items() if value},
    )
