"""What a Stripe account does with a request: checks, idempotency, payments, webhooks.

Holds no card number: it is looked up when a PaymentMethod is made and dropped. To tell
whether a repeated request is the same, a keyed digest under a key of this process is kept.
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stripe import params as stripe_params

from tests.fakes import stripe_api_objects as objects
from tests.fakes.stripe_api_cards import NOT_A_TEST_CARD, TEST_CARDS, KnownCard
from tests.fakes.stripe_api_errors import (
    RAW_CARD_REFUSED,
    StripeError,
    card_error,
    problem_code,
    refusal,
)
from tests.fakes.stripe_api_objects import Json
from tests.fakes.stripe_params import Form, problems


class Fault(StrEnum):
    """How the fake can fail; `before` and `after` are about the processing."""

    HANG_BEFORE = "hang-before"
    HANG_AFTER = "hang-after"
    DROP_BEFORE = "drop-before"
    DROP_AFTER = "drop-after"
    ERROR_BEFORE = "error-500-before"
    ERROR_AFTER = "error-500-after"
    CONFLICT = "conflict-409"
    RATE_LIMIT = "rate-limit-429"
    LOCK = "lock-timeout-429"


@dataclass(frozen=True)
class Charged:
    """One movement of money, for tests to count."""

    key: str
    intent: str
    amount: int
    currency: str


@dataclass
class FakeAccount:
    """An account: its switches, its objects, and what it was asked."""

    api_key: str = "sk_test_fake"
    webhook_secret: str = "whsec_fake"
    webhook_url: str = ""
    raw_cards: bool = True
    moto: bool = True
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    """Path and fault; each is used once, in order."""
    charges: list[Charged] = field(default_factory=list)
    seen: list[tuple[str, Form]] = field(default_factory=list)
    """`METHOD /path` and form of each request; a PaymentMethod's form without its card."""
    events: list[Json] = field(default_factory=list)
    intents: dict[str, Json] = field(default_factory=dict)
    methods: dict[str, tuple[Json, KnownCard]] = field(default_factory=dict)
    charged: dict[str, Json] = field(default_factory=dict)
    customers: dict[str, Json] = field(default_factory=dict)
    _answers: dict[str, tuple[bytes, int, Json]] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def take_fault(self, path: str) -> Fault | None:
        for index, (where, fault) in enumerate(self.faults):
            if path.startswith(where):
                del self.faults[index]
                return fault
        return None

    def answer(
        self, method: str, path: str, form: Form, key: str, *, failing: bool = False
    ) -> tuple[int, Json]:
        """Process one request. With `failing` it is done, and its saved answer is a 500."""
        verb = _verb(method, path)
        if verb is None:
            return 404, refusal("Unrecognized request URL", status=404).body
        params_type, handle = verb
        self.seen.append((f"{method} {path}", _without_card(form)))
        digest = hmac.new(self._secret, repr((path, form)).encode(), hashlib.sha256).digest()
        if method == "POST" and key in self._answers:
            before, status, body = self._answers[key]
            if not hmac.compare_digest(before, digest):
                return 400, refusal(
                    "Keys for idempotent requests can only be used with the same parameters",
                    kind="idempotency_error",
                ).body
            return status, body
        try:
            self._check(params_type, form)
            status, body = 200, handle(self, form, path.split("/")[3:], key)
        except StripeError as error:
            status, body = error.status, error.body
        if failing:
            status, body = 500, refusal("Something went wrong", kind="api_error").body
        if method == "POST" and status != 400:
            self._answers[key] = (digest, status, json.loads(json.dumps(body)))
        return status, body

    def sign(self, event: Json, at: float | None = None) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a webhook (docs.stripe.com/webhooks#verify-manually)."""
        body = json.dumps(event).encode()
        seconds = int(time.time() if at is None else at)
        signed = f"{seconds}.".encode() + body
        signature = hmac.new(self.webhook_secret.encode(), signed, hashlib.sha256).hexdigest()
        return body, {"Stripe-Signature": f"t={seconds},v1={signature}"}

    def _check(self, params_type: type, form: Form) -> None:
        for problem in problems(params_type, form):
            name, _, fault = problem.partition(": ")
            raise refusal(f"{fault}: {name}", param=name, code=problem_code(fault))
        card_options = _at(form, "payment_method_options", "card")
        if isinstance(card_options, dict) and "moto" in card_options and not self.moto:
            name = "payment_method_options[card][moto]"
            raise refusal(
                f"Received unknown parameter: {name}", param=name, code="parameter_unknown"
            )

    def make_method(self, form: Form, path: list[str], key: str) -> Json:
        if not self.raw_cards:
            raise refusal(RAW_CARD_REFUSED, status=402)
        card = form["card"]
        assert isinstance(card, dict)
        number = str(card["number"])
        known = TEST_CARDS.get(number, NOT_A_TEST_CARD)
        if known.refused_at == "method":
            raise card_error(known)
        made = objects.payment_method(known, number[-4:])
        self.methods[made["id"]] = (made, known)
        return made

    def make_intent(self, form: Form, path: list[str], key: str) -> Json:
        if str(form["payment_method"]) not in self.methods:
            raise refusal(
                "No such PaymentMethod", code="resource_missing", param="payment_method"
            )
        amount = int(str(form["amount"]))
        if amount < 50:
            raise refusal(
                "Amount must be at least 50 cents", code="amount_too_small", param="amount"
            )
        metadata = form.get("metadata", {})
        assert isinstance(metadata, dict)
        method, card = self.methods[str(form["payment_method"])]
        intent = objects.payment_intent(
            amount,
            str(form["currency"]),
            method["id"],
            {k: str(v) for k, v in metadata.items()},
        )
        self.intents[intent["id"]] = intent
        if card.code is not None:
            failed = objects.new_id("ch")
            error = card_error(card, charge=failed)
            intent |= {
                "status": "requires_payment_method",
                "payment_method": None,
                "last_payment_error": dict(error.body["error"]),
            }
            error.body["error"]["payment_intent"] = dict(intent)
            self._tell("payment_intent.payment_failed", intent)
            raise error
        manual = form.get("capture_method") == "manual"
        intent |= {
            "status": "requires_capture" if manual else "succeeded",
            "amount_capturable": amount if manual else 0,
            "amount_received": 0 if manual else amount,
        }
        network = _at(form, "payment_method_options", "card", "network")
        made = objects.charge(intent, method, network if isinstance(network, str) else None)
        self.charged[made["id"]] = made
        intent["latest_charge"] = made["id"]
        if not manual:
            self._charge(intent, key)
        return self._expanded(intent)

    def read_intent(self, form: Form, path: list[str], key: str) -> Json:
        return self._expanded(self._intent(path))

    def list_intents(self, form: Form, path: list[str], key: str) -> Json:
        since = int(str(_at(form, "created", "gte") or 0))
        # Newest first, as Stripe lists.
        rows = [i for i in reversed(self.intents.values()) if i["created"] >= since]
        after = form.get("starting_after")
        if after:
            rows = rows[[row["id"] for row in rows].index(after) + 1 :]
        limit = int(str(form.get("limit", 10)))
        return {
            "object": "list",
            "url": "/v1/payment_intents",
            "has_more": len(rows) > limit,
            "data": [self._expanded(row) for row in rows[:limit]],
        }

    def capture(self, form: Form, path: list[str], key: str) -> Json:
        intent = self._intent(path)
        amount = int(str(form.get("amount_to_capture", intent["amount"])))
        if intent["status"] != "requires_capture":
            raise refusal("Not capturable", code="payment_intent_unexpected_state")
        if amount > intent["amount_capturable"]:
            raise refusal("Too much", code="amount_too_large", param="amount_to_capture")
        intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
        self._charge(intent, key)
        return self._expanded(intent)

    def cancel(self, form: Form, path: list[str], key: str) -> Json:
        intent = self._intent(path)
        if intent["status"] in ("succeeded", "canceled"):
            raise refusal("Not cancelable", code="payment_intent_unexpected_state")
        intent |= {"status": "canceled", "amount_capturable": 0}
        return intent

    def make_refund(self, form: Form, path: list[str], key: str) -> Json:
        intent = self._intent([str(form["payment_intent"])])
        charged = self.charged[intent["latest_charge"]]
        amount = int(str(form.get("amount", intent["amount_received"])))
        left = intent["amount_received"] - charged["amount_refunded"]
        if left == 0:
            raise refusal("Already refunded", code="charge_already_refunded")
        if amount > left:
            raise refusal("Refund amount is greater than charge amount", param="amount")
        charged["amount_refunded"] += amount
        charged["refunded"] = amount == left
        self._tell("charge.refunded", charged)
        return objects.refund(charged, amount)

    def make_customer(self, form: Form, path: list[str], key: str) -> Json:
        made = objects.customer({})
        self.customers[made["id"]] = made
        return made

    def make_setup(self, form: Form, path: list[str], key: str) -> Json:
        if form.get("customer") not in self.customers:
            raise refusal("No such customer", code="resource_missing", param="customer")
        method, card = self.methods[str(form["payment_method"])]
        if card.code is not None and card.refused_at != "later":
            raise card_error(card)
        method["customer"] = form["customer"]
        return objects.setup_intent(str(form["customer"]), method["id"], {})

    def _intent(self, path: list[str]) -> Json:
        if path[0] not in self.intents:
            raise refusal("No such payment_intent", status=404, code="resource_missing")
        return self.intents[path[0]]

    def _charge(self, intent: Json, key: str) -> None:
        self.charges.append(
            Charged(key, intent["id"], intent["amount_received"], intent["currency"])
        )
        self._tell("payment_intent.succeeded", intent)

    def _tell(self, kind: str, about: Json) -> None:
        self.events.append(objects.event(kind, json.loads(json.dumps(about))))

    def _expanded(self, intent: Json) -> Json:
        charged = self.charged.get(intent["latest_charge"] or "")
        return {**intent, "latest_charge": charged}


Handle = Callable[[FakeAccount, Form, list[str], str], Json]
_VERBS: dict[str, tuple[Any, Handle]] = {
    "POST payment_methods": (stripe_params.PaymentMethodCreateParams, FakeAccount.make_method),
    "POST payment_intents": (stripe_params.PaymentIntentCreateParams, FakeAccount.make_intent),
    "GET payment_intents": (stripe_params.PaymentIntentListParams, FakeAccount.list_intents),
    "GET payment_intents/*": (
        stripe_params.PaymentIntentRetrieveParams,
        FakeAccount.read_intent,
    ),
    "POST payment_intents/*/capture": (
        stripe_params.PaymentIntentCaptureParams,
        FakeAccount.capture,
    ),
    "POST payment_intents/*/cancel": (
        stripe_params.PaymentIntentCancelParams,
        FakeAccount.cancel,
    ),
    "POST refunds": (stripe_params.RefundCreateParams, FakeAccount.make_refund),
    "POST customers": (stripe_params.CustomerCreateParams, FakeAccount.make_customer),
    "POST setup_intents": (stripe_params.SetupIntentCreateParams, FakeAccount.make_setup),
}


def _verb(method: str, path: str) -> tuple[Any, Handle] | None:
    parts = path.split("/")[2:]
    if len(parts) > 1:
        parts[1] = "*"
    return _VERBS.get(f"{method} {'/'.join(parts)}")


def _without_card(form: Form) -> Form:
    return {name: value for name, value in form.items() if name != "card"}


def _at(form: Form, *path: str) -> "str | Form | None":
    value: str | Form | None = form
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value
