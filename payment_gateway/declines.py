"""Providers' words for a refusal, read as our short list and as what to do next.

The words are Stripe's (`code`, `decline_code`, `advice_code` of an API error),
which the sandbox speaks too. Sources: docs.stripe.com/declines/codes,
docs.stripe.com/declines/card#retrying-issuer-declines.
"""

from dataclasses import dataclass

from payment_gateway.results import Advice, DeclineCode


@dataclass(frozen=True, slots=True)
class Decline:
    """A refusal in our words."""

    code: DeclineCode
    advice: Advice


_AGAIN = Advice.SAME_CARD_AGAIN
_ONCE = Advice.TRY_ONCE_MORE
_OTHER = Advice.OTHER_CARD

_BY_CODE: dict[str, Decline] = {
    "incorrect_number": Decline(DeclineCode.INCORRECT_NUMBER, _AGAIN),
    "invalid_number": Decline(DeclineCode.INCORRECT_NUMBER, _AGAIN),
    "incorrect_cvc": Decline(DeclineCode.INCORRECT_CVC, _AGAIN),
    "invalid_cvc": Decline(DeclineCode.INCORRECT_CVC, _AGAIN),
    "invalid_expiry_month": Decline(DeclineCode.INVALID_EXPIRY, _AGAIN),
    "invalid_expiry_year": Decline(DeclineCode.INVALID_EXPIRY, _AGAIN),
    "expired_card": Decline(DeclineCode.EXPIRED_CARD, _AGAIN),
    "processing_error": Decline(DeclineCode.PROCESSING_ERROR, _ONCE),
    "issuer_not_available": Decline(DeclineCode.PROCESSING_ERROR, _ONCE),
    "reenter_transaction": Decline(DeclineCode.PROCESSING_ERROR, _ONCE),
    "approve_with_id": Decline(DeclineCode.PROCESSING_ERROR, _ONCE),
    "try_again_later": Decline(DeclineCode.PROCESSING_ERROR, _ONCE),
    "insufficient_funds": Decline(DeclineCode.INSUFFICIENT_FUNDS, _OTHER),
    "do_not_honor": Decline(DeclineCode.DECLINED, _OTHER),
    "generic_decline": Decline(DeclineCode.DECLINED, _OTHER),
    "call_issuer": Decline(DeclineCode.CALL_ISSUER, _OTHER),
    "card_not_supported": Decline(DeclineCode.NOT_SUPPORTED, _OTHER),
    "currency_not_supported": Decline(DeclineCode.NOT_SUPPORTED, _OTHER),
    "service_not_allowed": Decline(DeclineCode.NOT_SUPPORTED, _OTHER),
    "transaction_not_allowed": Decline(DeclineCode.NOT_SUPPORTED, _OTHER),
    "restricted_card": Decline(DeclineCode.NOT_SUPPORTED, _OTHER),
    "invalid_account": Decline(DeclineCode.NOT_SUPPORTED, _OTHER),
    "new_account_information_available": Decline(DeclineCode.NOT_SUPPORTED, _OTHER),
    "card_velocity_exceeded": Decline(DeclineCode.LIMIT_EXCEEDED, _OTHER),
    "withdrawal_count_limit_exceeded": Decline(DeclineCode.LIMIT_EXCEEDED, _OTHER),
    "invalid_amount": Decline(DeclineCode.LIMIT_EXCEEDED, _OTHER),
    "authentication_required": Decline(
        DeclineCode.AUTHENTICATION_REQUIRED, Advice.OTHER_CARD_OR_LINK
    ),
    "authentication_not_handled": Decline(
        DeclineCode.AUTHENTICATION_REQUIRED, Advice.OTHER_CARD_OR_LINK
    ),
    "do_not_try_again": Decline(DeclineCode.DECLINED, Advice.STOP),
    "lost_card": Decline(DeclineCode.PICK_UP_CARD, Advice.STOP),
    "stolen_card": Decline(DeclineCode.PICK_UP_CARD, Advice.STOP),
    "pickup_card": Decline(DeclineCode.PICK_UP_CARD, Advice.STOP),
    "fraudulent": Decline(DeclineCode.SUSPECTED_FRAUD, Advice.STOP),
    "merchant_blacklist": Decline(DeclineCode.SUSPECTED_FRAUD, Advice.STOP),
    "security_violation": Decline(DeclineCode.SUSPECTED_FRAUD, Advice.STOP),
    "revocation_of_authorization": Decline(DeclineCode.DECLINED, Advice.STOP),
    "revocation_of_all_authorizations": Decline(DeclineCode.DECLINED, Advice.STOP),
    "stop_payment_order": Decline(DeclineCode.DECLINED, Advice.STOP),
    "duplicate_transaction": Decline(DeclineCode.DUPLICATE, Advice.STOP),
}

_BY_ADVICE: dict[str, Advice] = {
    "confirm_card_data": Advice.SAME_CARD_AGAIN,
    "try_again_later": Advice.TRY_ONCE_MORE,
    "do_not_try_again": Advice.STOP,
}

_UNKNOWN_WORD = Decline(DeclineCode.DECLINED, Advice.OTHER_CARD)


def read_decline(
    code: str | None, decline_code: str | None = None, advice_code: str | None = None
) -> Decline:
    """Translate a refusal.

    `decline_code` is more exact than `code`; `advice_code`, the issuer's own word
    on a further try, decides the advice whatever the other two say. A word that is
    not known is a plain decline: another card.
    """
    decline = next(
        (_BY_CODE[word] for word in (decline_code, code) if word in _BY_CODE), _UNKNOWN_WORD
    )
    advice = _BY_ADVICE.get(advice_code or "")
    return decline if advice is None else Decline(decline.code, advice)
