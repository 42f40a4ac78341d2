"""What a status callback of the Payments resource says, for events of ours.

Field names and values are those of https://www.twilio.com/docs/voice/api/payment-resource.
Digits are masked as there, with one difference: before the authorisation even the last four
of the card number are.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from ivr.ledger.reading import TransactionRow
from ivr.monitor.models import Event
from ivr.vocabulary import EventType, Result, Step

FIELDS: Final = (Step.CARD_NUMBER, Step.EXPIRATION_DATE, Step.SECURITY_CODE)
"""What is captured, in the order in which it is asked for."""
_SAID_AS: Final = {
    Step.CARD_NUMBER: "PaymentCardNumber",
    Step.EXPIRATION_DATE: "ExpirationDate",
    Step.SECURITY_CODE: "SecurityCode",
}
_RESULTS: Final[dict[str, str]] = {
    Result.CARD_DECLINED: "payment-connector-error",
    Result.CANCELLED_BY_AGENT: "cancelled",
    Result.CALLER_DECLINED: "caller-interrupted-with-star",
}
"""Results that have another name there; all others pass as they are."""
_CARD_DIGITS: Final = 16


def status_callback(
    payment: Mapping[str, Any],
    event: Event,
    row: TransactionRow | None,
    captured: Collection[str] = (),
) -> dict[str, str] | None:
    """Return the form that tells this event, or None when there are no words for it.

    `payment` is what the session's callbacks repeat; `captured` are the fields that have
    been taken so far.
    """
    common = {
        "AccountSid": str(payment["account_sid"]),
        "CallSid": str(payment["call_sid"]),
        "Sid": str(payment["sid"]),
        "PaymentMethod": "credit-card",
    }
    at = event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    match event.type:
        case EventType.CAPTURE_STARTED:
            return common | {
                "PaymentConnector": str(payment["payment_connector"]),
                "ChargeAmount": str(payment["charge_amount"]),
                "DateCreated": at,
            }
        case EventType.STEP_ENTERED if event.step in FIELDS:
            told = {}
        case EventType.ENTRY_PROGRESS if event.step in FIELDS:
            told = {"PartialResult": "true"} | _keyed(event)
        case EventType.ENTRY_ACCEPTED if event.step in FIELDS:
            told = _keyed(event)
        case EventType.ENTRY_ERROR:
            told = {
                "ErrorType": event.data.error_type or "internal-error",
                "Attempt": str(event.data.attempt),
            }
        case EventType.PAYMENT_DECLINED:
            told = {"PaymentError": event.data.code or "card-declined"}
        case EventType.TRANSACTION_ENDED:
            return common | {"DateUpdated": at} | _result(event, row)
        case _:
            return None
    required = [one.value for one in FIELDS if one not in captured]
    return common | {
        "DateUpdated": at,
        "Capture": event.step or "",
        "Required": ",".join(required),
        **told,
    }


def _keyed(event: Event) -> dict[str, str]:
    told = {_SAID_AS[Step(event.step or "")]: "x" * (event.data.digits or 0)}
    if event.data.brand is not None:
        told["PaymentCardType"] = event.data.brand
    return told


def _result(event: Event, row: TransactionRow | None) -> dict[str, str]:
    result = event.data.result or Result.INTERNAL_ERROR
    told = {"Result": _RESULTS.get(result, result)}
    if row is not None and row.last4 is not None:
        told["PaymentCardNumber"] = row.last4.rjust(_CARD_DIGITS, "x")
    if row is not None and row.brand is not None:
        told["PaymentCardType"] = row.brand
    if row is not None and row.gateway_reference is not None:
        told["PaymentConfirmationCode"] = row.gateway_reference
    return told
