"""The connection to Stripe: checked before it is made, and never printing what it sends."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import stripe

from payment_gateway import stripe_requests as requests
from payment_gateway.card import Card
from payment_gateway.interface import GatewayConfigurationError, WebhookRefusedError
from payment_gateway.quiet import quiet_loggers, refuse_stripe_log
from payment_gateway.results import CardSummary, Notice
from payment_gateway.stripe_answers import read_event, read_method
from payment_gateway.stripe_calls import Failure, ask
from payment_gateway.stripe_http import HttpClient

_WEBHOOK_TOLERANCE = 300

T = TypeVar("T")


class StripeConnection:
    """A client of the Stripe API; belongs to the event loop it is first used on.

    `timeout` is for one try, `deadline` for all tries of one request, in seconds;
    `sleep` waits between them. Raise `GatewayConfigurationError`.
    """

    def __init__(
        self,
        api_key: str,
        *,
        api_base: str,
        timeout: float,
        deadline: float,
        retries: int,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        refuse_stripe_log()
        quiet_loggers()
        if not api_key.startswith(("sk_", "rk_")):
            raise GatewayConfigurationError(
                "gateway.stripe.api_key is not a secret (sk_…) or restricted (rk_…) key"
            )
        _check_address(api_base)
        # It would write an identifier to the home directory and send it along.
        stripe.enable_telemetry = False
        self._http = HttpClient(timeout)
        self._stripe = stripe.StripeClient(
            api_key,
            http_client=self._http,
            max_network_retries=0,
            base_addresses={"api": api_base.rstrip("/")},
        )
        self.v1 = self._stripe.v1
        self._deadline = deadline
        self._retries = retries
        self._sleep = sleep

    async def ask(self, send: Callable[[], Awaitable[T]]) -> T | Failure:
        """Send a request, under the rules of `stripe_calls.ask`."""
        return await ask(
            send, deadline=self._deadline, retries=self._retries, sleep=self._sleep
        )

    async def make_method(
        self, card: Card, key: str
    ) -> tuple[str, CardSummary | None] | Failure:
        """Turn a card into a PaymentMethod; return its id and what may be shown of it."""
        params = requests.payment_method(card)

        async def send() -> tuple[str, CardSummary | None]:
            method = await self.v1.payment_methods.create_async(
                params, {"idempotency_key": f"{key}:method"}
            )
            return method.id, read_method(method)

        try:
            return await self.ask(send)
        finally:
            requests.wipe(params)

    async def find_intent(self, key: str, begin: int) -> stripe.PaymentIntent | Failure | None:
        """Look for the PaymentIntent that carries our key, among those since `begin`.

        They are listed and not searched: Stripe's search lags behind by a minute.
        """
        last = ""
        while True:
            params = requests.latest(begin, last)

            async def send() -> stripe.ListObject[stripe.PaymentIntent]:
                return await self.v1.payment_intents.list_async(params)  # noqa: B023 - awaited in the turn

            page = await self.ask(send)
            if isinstance(page, Failure):
                return page
            for intent in page.data:
                if getattr(intent.metadata, requests.ATTEMPT, None) == key:
                    return intent
            if not (page.has_more and page.data):
                return None
            last = page.data[-1].id

    def read_webhook(self, body: bytes, headers: Mapping[str, str], secret: str) -> Notice:
        """Verify and read a webhook. Raise `WebhookRefusedError`."""
        signature = next(
            (value for name, value in headers.items() if name.lower() == "stripe-signature"),
            None,
        )
        try:
            return read_event(
                self._stripe.construct_event(body, signature, secret, _WEBHOOK_TOLERANCE)
            )
        except stripe.SignatureVerificationError as error:
            refusal = error.user_message
        except (ValueError, TypeError, AttributeError):
            refusal = "the body is not an event"
        raise WebhookRefusedError(f"stripe: {refusal}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()


def _check_address(api_base: str) -> None:
    parts = urlsplit(api_base)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return
    raise GatewayConfigurationError(
        "gateway.stripe.api_base is not an https:// address (http:// only to this machine)"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
