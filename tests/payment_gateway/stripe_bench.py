"""The Stripe adapter in front of Stripe's fake."""

from payment_gateway.results import Money
from payment_gateway.stripe_gateway import StripeGateway
from tests.fakes.stripe_api import RunningStripe
from tests.fakes.stripe_api_account import Fault
from tests.payment_gateway.bench import Wall


class StripeBench:
    def __init__(
        self, stripe: RunningStripe, *, api_key: str = "", deadline: float = 20
    ) -> None:
        self.wall = Wall()
        self.slept: list[float] = []
        self.account = stripe.account
        self.gateway = StripeGateway(
            api_key or stripe.account.api_key,
            webhook_secret=stripe.account.webhook_secret,
            api_base=stripe.url,
            deadline=deadline,
            retries=2,
            sleep=self._sleep,
            now=self.wall,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def prepare(self, scenario: str) -> str:
        faults = {
            "late": [Fault.ERROR_BEFORE, Fault.CONFLICT],
            "silent": [Fault.DROP_BEFORE] * 3,
            "answer-lost": [Fault.DROP_AFTER] * 3,
        }[scenario]
        self.fail("payment_intents", *faults)
        return "4242424242424242"

    def fail(self, path: str, *faults: Fault) -> None:
        """Let the next requests to `path` fail, in this order."""
        self.account.faults += [(f"/v1/{path}", fault) for fault in faults]

    def charges(self) -> list[tuple[str, Money]]:
        return [
            (charged.key, Money(charged.amount, charged.currency.upper()))
            for charged in self.account.charges
        ]

    def webhook(self, key: str, age: float = 0) -> tuple[bytes, dict[str, str]]:
        event = next(
            event
            for event in self.account.events
            if event["data"]["object"]["metadata"]["solde_attempt"] == key
        )
        return self.account.sign(event, self.wall().timestamp() - age)
