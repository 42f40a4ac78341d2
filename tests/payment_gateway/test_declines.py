import pytest

from payment_gateway.declines import Decline, read_decline
from payment_gateway.results import Advice, DeclineCode

TABLE = {
    Advice.SAME_CARD_AGAIN: """incorrect_number invalid_number incorrect_cvc invalid_cvc
        invalid_expiry_month invalid_expiry_year expired_card""",
    Advice.TRY_ONCE_MORE: """processing_error issuer_not_available reenter_transaction
        approve_with_id""",
    Advice.OTHER_CARD: """insufficient_funds do_not_honor generic_decline call_issuer
        card_not_supported card_velocity_exceeded transaction_not_allowed restricted_card
        invalid_account""",
    Advice.OTHER_CARD_OR_LINK: "authentication_required",
    Advice.STOP: """do_not_try_again lost_card stolen_card pickup_card fraudulent
        revocation_of_authorization revocation_of_all_authorizations stop_payment_order""",
}


@pytest.mark.parametrize(
    ("word", "advice"),
    [(word, advice) for advice, words in TABLE.items() for word in words.split()],
)
def test_each_word_has_its_advice_as_code_or_decline_code(word: str, advice: Advice) -> None:
    assert read_decline(word).advice is advice
    assert read_decline("card_declined", word).advice is advice


@pytest.mark.parametrize(
    "decline_code", ["lost_card", "insufficient_funds", "processing_error"]
)
@pytest.mark.parametrize(
    ("advice_code", "advice"),
    [
        ("confirm_card_data", Advice.SAME_CARD_AGAIN),
        ("try_again_later", Advice.TRY_ONCE_MORE),
        ("do_not_try_again", Advice.STOP),
    ],
)
def test_the_issuers_advice_wins_and_the_code_stays(
    decline_code: str, advice_code: str, advice: Advice
) -> None:
    plain = read_decline("card_declined", decline_code)
    assert read_decline("card_declined", decline_code, advice_code) == Decline(
        plain.code, advice
    )


def test_the_decline_code_is_more_exact_than_the_code() -> None:
    assert read_decline("expired_card", "lost_card").code is DeclineCode.PICK_UP_CARD
    assert read_decline("expired_card", "a_word_of_tomorrow").code is DeclineCode.EXPIRED_CARD


def test_an_unknown_word_is_a_plain_decline() -> None:
    plain = Decline(DeclineCode.DECLINED, Advice.OTHER_CARD)
    assert read_decline("a_word_of_tomorrow", None, "another") == plain
    assert read_decline(None) == plain


def test_every_code_of_the_short_list_is_used() -> None:
    words = [*" ".join(TABLE.values()).split(), "duplicate_transaction"]
    assert {read_decline(word).code for word in words} == set(DeclineCode)
