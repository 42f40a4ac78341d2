"""The objects of the fake Stripe, as JSON with those of Stripe's fields a client may read."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from tests.fakes.stripe_api_cards import KnownCard

Json = dict[str, Any]


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def payment_method(card: KnownCard, last4: str) -> Json:
    networks = {"available": list(card.networks or (card.brand,)), "preferred": None}
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "type": "card",
        "card": {"brand": card.brand, "last4": last4, "networks": networks},
        "created": int(time.time()),
        "livemode": False,
        "metadata": {},
        "customer": None,
    }


def payment_intent(
    amount: int, currency: str, method: str, metadata: Mapping[str, str]
) -> Json:
    return {
        "id": new_id("pi"),
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "capture_method": "automatic",
        "created": int(time.time()),
        "currency": currency,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": dict(metadata),
        "payment_method": method,
        "status": "requires_confirmation",
    }


def charge(intent: Json, method: Json, network: str | None) -> Json:
    card = method["card"]
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount_received"],
        "amount_refunded": 0,
        "currency": intent["currency"],
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": card["brand"],
                "last4": card["last4"],
                "network": network or card["networks"]["available"][-1],
            },
        },
        "refunded": False,
        "status": "succeeded",
    }


def refund(charged: Json, amount: int) -> Json:
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": charged["id"],
        "currency": charged["currency"],
        "payment_intent": charged["payment_intent"],
        "status": "succeeded",
    }


def setup_intent(customer: str, method: str, metadata: Mapping[str, str]) -> Json:
    return {
        "id": new_id("seti"),
        "object": "setup_intent",
        "customer": customer,
        "livemode": False,
        "metadata": dict(metadata),
        "payment_method": method,
        "status": "succeeded",
        "usage": "off_session",
    }


def customer(metadata: Mapping[str, str]) -> Json:
    return {
        "id": new_id("cus"),
        "object": "customer",
        "livemode": False,
        "metadata": dict(metadata),
    }


def event(kind: str, about: Json) -> Json:
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": None,
        "type": kind,
    }
