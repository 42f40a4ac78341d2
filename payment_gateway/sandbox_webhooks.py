"""The sandbox's webhooks: a JSON body signed with HMAC-SHA-256, as Stripe signs its own."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime

from payment_gateway.interface import WebhookRefusedError
from payment_gateway.results import Notice, Outcome, Result
from payment_gateway.sandbox_book import read_result, write_result

HEADER = "Solde-Sandbox-Signature"
TOLERANCE_SECONDS = 300

_KINDS = {Outcome.SUCCEEDED: "payment.succeeded", Outcome.DECLINED: "payment.declined"}


def write_webhook(
    key: str, result: Result, secret: str, at: datetime
) -> tuple[bytes, dict[str, str]]:
    """Return the body and headers that tell of a payment's end."""
    body = json.dumps(
        {
            "id": f"sbx_evt_{hashlib.sha256(key.encode()).hexdigest()[:24]}",
            "kind": _KINDS.get(result.outcome, "other"),
            "key": key,
            "result": write_result(result),
        }
    ).encode()
    seconds = int(at.timestamp())
    signature = f"t={seconds},v1={_sign(body, seconds, secret)}"
    return body, {HEADER: signature, "Content-Type": "application/json"}


def read_webhook(body: bytes, headers: Mapping[str, str], secret: str, now: datetime) -> Notice:
    """Verify and read a webhook. Raise `WebhookRefusedError`."""
    signature = next(
        (value for name, value in headers.items() if name.lower() == HEADER.lower()), ""
    )
    parts = dict(part.partition("=")[::2] for part in signature.split(","))
    seconds = parts.get("t", "")
    if not (seconds.isascii() and seconds.isdigit()):
        raise WebhookRefusedError("sandbox: the webhook is not signed")
    if not hmac.compare_digest(_sign(body, int(seconds), secret), parts.get("v1", "")):
        raise WebhookRefusedError("sandbox: the webhook's signature is wrong")
    if abs(now.timestamp() - int(seconds)) > TOLERANCE_SECONDS:
        raise WebhookRefusedError("sandbox: the webhook's signature is too old")
    values = json.loads(body)
    result = read_result(values["result"])
    return Notice(
        id=values["id"],
        kind=values["kind"],
        reference=result.reference,
        attempt_key=values["key"],
        result=result,
    )


def _sign(body: bytes, seconds: int, secret: str) -> str:
    signed = str(seconds).encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
