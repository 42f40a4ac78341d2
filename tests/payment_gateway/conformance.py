"""What every gateway must do. An adapter's tests subclass `Conformance` and provide `bench`."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from payment_gateway.card import CardClearedError
from payment_gateway.interface import (
    KeyReusedError,
    RequestRefusedError,
    WebhookRefusedError,
)
from payment_gateway.results import Advice, DeclineCode, Money, Outcome
from tests.payment_gateway.bench import AMOUNT, Bench, ask_for, card

SETTLED = 3600
"""Seconds after which no gateway here is still working on an attempt."""

DECLINES = [
    ("incorrect-number", DeclineCode.INCORRECT_NUMBER, Advice.SAME_CARD_AGAIN),
    ("incorrect-cvc", DeclineCode.INCORRECT_CVC, Advice.SAME_CARD_AGAIN),
    ("expired", DeclineCode.EXPIRED_CARD, Advice.SAME_CARD_AGAIN),
    ("check-card", DeclineCode.DECLINED, Advice.SAME_CARD_AGAIN),
    ("processing-error", DeclineCode.PROCESSING_ERROR, Advice.TRY_ONCE_MORE),
    ("insufficient-funds", DeclineCode.INSUFFICIENT_FUNDS, Advice.OTHER_CARD),
    ("velocity", DeclineCode.LIMIT_EXCEEDED, Advice.OTHER_CARD),
    ("not-a-test-card", DeclineCode.DECLINED, Advice.OTHER_CARD),
    ("authentication", DeclineCode.AUTHENTICATION_REQUIRED, Advice.OTHER_CARD_OR_LINK),
    ("lost", DeclineCode.PICK_UP_CARD, Advice.STOP),
    ("stolen", DeclineCode.PICK_UP_CARD, Advice.STOP),
    ("fraud", DeclineCode.SUSPECTED_FRAUD, Advice.STOP),
    ("do-not-try-again", DeclineCode.DECLINED, Advice.STOP),
]

NUMBERS = {
    "approved": "4242424242424242",
    "mastercard": "5555555555554444",
    "amex": "378282246310005",
    "co-badged": "4000002500001001",
    "incorrect-number": "4242424242424241",
    "incorrect-cvc": "4000000000000127",
    "expired": "4000000000000069",
    "check-card": "4000000000007106",
    "processing-error": "4000000000000119",
    "insufficient-funds": "4000000000009995",
    "velocity": "4000000000006975",
    "not-a-test-card": "4111111111111111",
    "authentication": "4000002760003184",
    "lost": "4000000000009987",
    "stolen": "4000000000009979",
    "fraud": "4100000000000019",
    "do-not-try-again": "4000000000007007",
    "kept-then-declined": "4000000000000341",
}
"""Numbers that every gateway here reads alike; a bench adds `late`, `silent`, `answer-lost`."""


class Conformance:
    """The suite."""

    @pytest.mark.parametrize("brand", ["approved", "mastercard", "amex"])
    async def test_an_approved_card_is_charged_once(self, bench: Bench, brand: str) -> None:
        number = NUMBERS[brand]
        result = await bench.gateway.purchase(ask_for("a-1"), card(number))
        assert result.outcome is Outcome.SUCCEEDED
        assert result.amount == AMOUNT
        assert result.reference
        assert (result.code, result.advice) == (None, None)
        assert result.card is not None
        assert result.card.brand == ("visa" if brand == "approved" else brand)
        assert result.card.last4 == number[-4:]
        assert bench.charges() == [("a-1", AMOUNT)]

    @pytest.mark.parametrize(("scenario", "code", "advice"), DECLINES)
    async def test_a_decline_is_a_result_with_advice(
        self, bench: Bench, scenario: str, code: DeclineCode, advice: Advice
    ) -> None:
        result = await bench.gateway.purchase(ask_for("d-1"), card(NUMBERS[scenario]))
        assert (result.outcome, result.code, result.advice) == (Outcome.DECLINED, code, advice)
        assert result.amount is None
        assert bench.charges() == []

    async def test_a_declined_attempt_is_found_as_declined(self, bench: Bench) -> None:
        declined = await bench.gateway.purchase(ask_for("d-1"), card(NUMBERS["lost"]))
        asked = await bench.gateway.inquire("d-1", since=bench.wall())
        assert (asked.outcome, asked.advice) == (Outcome.DECLINED, Advice.STOP)
        assert asked.reference == declined.reference

    async def test_a_late_answer_is_waited_for(self, bench: Bench) -> None:
        number = bench.prepare("late")
        result = await bench.gateway.purchase(ask_for("l-1"), card(number))
        assert result.outcome is Outcome.SUCCEEDED
        assert bench.charges() == [("l-1", AMOUNT)]

    async def test_no_answer_is_unknown_and_then_not_charged(self, bench: Bench) -> None:
        number, begun = bench.prepare("silent"), bench.wall()
        result = await bench.gateway.purchase(ask_for("s-1"), card(number))
        assert result.outcome is Outcome.UNKNOWN
        bench.wall.advance(SETTLED)
        asked = await bench.gateway.inquire("s-1", since=begun)
        assert asked.outcome is Outcome.NOT_CHARGED
        assert bench.charges() == []

    async def test_a_lost_answer_is_unknown_and_then_charged(self, bench: Bench) -> None:
        number, begun = bench.prepare("answer-lost"), bench.wall()
        result = await bench.gateway.purchase(ask_for("x-1"), card(number))
        assert (result.outcome, result.amount) == (Outcome.UNKNOWN, None)
        asked = await bench.gateway.inquire("x-1", since=begun)
        assert (asked.outcome, asked.amount) == (Outcome.SUCCEEDED, AMOUNT)
        assert asked.card is not None
        assert asked.card.last4 == number[-4:]
        assert bench.charges() == [("x-1", AMOUNT)]

    async def test_an_attempt_is_found_by_reference(self, bench: Bench) -> None:
        paid = await bench.gateway.purchase(ask_for("r-1"), card())
        asked = await bench.gateway.inquire("r-1", paid.reference)
        assert (asked.outcome, asked.amount) == (Outcome.SUCCEEDED, AMOUNT)

    async def test_an_absent_attempt_is_unknown_until_it_is_old(self, bench: Bench) -> None:
        await bench.gateway.purchase(ask_for("another"), card())
        begun = bench.wall()
        assert (await bench.gateway.inquire("n-1")).outcome is Outcome.UNKNOWN
        assert (await bench.gateway.inquire("n-1", since=begun)).outcome is Outcome.UNKNOWN
        bench.wall.advance(SETTLED)
        assert (await bench.gateway.inquire("n-1")).outcome is Outcome.UNKNOWN
        settled = await bench.gateway.inquire("n-1", since=begun)
        assert settled.outcome is Outcome.NOT_CHARGED

    @pytest.mark.parametrize("scenario", ["approved", "insufficient-funds"])
    async def test_the_same_key_has_one_end(self, bench: Bench, scenario: str) -> None:
        number = NUMBERS[scenario]
        first = await bench.gateway.purchase(ask_for("k-1"), card(number))
        again = await bench.gateway.purchase(ask_for("k-1"), card(number))
        assert (again.outcome, again.reference) == (first.outcome, first.reference)
        assert (again.amount, again.advice) == (first.amount, first.advice)
        assert len(bench.charges()) == (1 if scenario == "approved" else 0)

    async def test_the_same_key_at_the_same_moment_charges_once(self, bench: Bench) -> None:
        both = await asyncio.gather(
            bench.gateway.purchase(ask_for("k-1"), card()),
            bench.gateway.purchase(ask_for("k-1"), card()),
        )
        assert {result.outcome for result in both} == {Outcome.SUCCEEDED}
        assert bench.charges() == [("k-1", AMOUNT)]

    @pytest.mark.parametrize("what", ["amount", "card"])
    async def test_the_same_key_for_something_else_is_refused(
        self, bench: Bench, what: str
    ) -> None:
        await bench.gateway.purchase(ask_for("k-1"), card())
        money = Money(999, "EUR") if what == "amount" else AMOUNT
        number = NUMBERS["mastercard"] if what == "card" else NUMBERS["approved"]
        with pytest.raises(KeyReusedError):
            await bench.gateway.purchase(ask_for("k-1", money), card(number))
        assert bench.charges() == [("k-1", AMOUNT)]

    async def test_the_networks_of_a_co_badged_card_are_told(self, bench: Bench) -> None:
        result = await bench.gateway.authorize(ask_for("c-1"), card(NUMBERS["co-badged"]))
        assert result.card is not None
        assert result.card.networks == ("cartes-bancaires", "visa")

    async def test_a_card_is_left_to_the_caller(self, bench: Bench) -> None:
        kept = card()
        await bench.gateway.purchase(ask_for("w-1"), kept)
        assert not kept.cleared
        assert kept.number_text() == NUMBERS["approved"]

    async def test_a_wiped_card_charges_nothing(self, bench: Bench) -> None:
        wiped = card()
        wiped.clear()
        with pytest.raises(CardClearedError):
            await bench.gateway.purchase(ask_for("w-1"), wiped)
        assert bench.charges() == []

    async def test_an_authorisation_is_captured_in_part(self, bench: Bench) -> None:
        held = await bench.gateway.authorize(ask_for("h-1"), card())
        assert (held.outcome, held.amount) == (Outcome.SUCCEEDED, AMOUNT)
        assert bench.charges() == []
        assert held.reference is not None
        part = Money(2_000, "EUR")
        for _ in range(2):
            taken = await bench.gateway.capture(held.reference, part, "h-2")
            assert (taken.outcome, taken.amount) == (Outcome.SUCCEEDED, part)
        assert [money for _, money in bench.charges()] == [part]
        with pytest.raises(RequestRefusedError):
            await bench.gateway.capture(held.reference, part, "h-3")

    async def test_an_authorisation_given_back_cannot_be_captured(self, bench: Bench) -> None:
        held = await bench.gateway.authorize(ask_for("h-1"), card())
        assert held.reference is not None
        given = await bench.gateway.void(held.reference, "h-2")
        assert (given.outcome, given.reference) == (Outcome.SUCCEEDED, held.reference)
        with pytest.raises(RequestRefusedError):
            await bench.gateway.capture(held.reference, AMOUNT, "h-3")
        assert bench.charges() == []

    async def test_no_more_is_refunded_than_was_paid(self, bench: Bench) -> None:
        paid = await bench.gateway.purchase(ask_for("p-1"), card())
        assert paid.reference is not None
        part, rest = Money(10_000, "EUR"), Money(2_345, "EUR")
        for _ in range(2):
            back = await bench.gateway.refund(paid.reference, part, "p-2")
            assert (back.outcome, back.amount) == (Outcome.SUCCEEDED, part)
        with pytest.raises(RequestRefusedError):
            await bench.gateway.refund(paid.reference, part, "p-3")
        back = await bench.gateway.refund(paid.reference, rest, "p-4")
        assert (back.outcome, back.amount) == (Outcome.SUCCEEDED, rest)

    async def test_a_stored_card_is_charged_without_its_number(self, bench: Bench) -> None:
        kept = await bench.gateway.store(card(), "t-1")
        assert kept.outcome is Outcome.SUCCEEDED
        assert kept.stored
        assert bench.charges() == []
        paid = await bench.gateway.charge_stored(ask_for("t-2"), kept.stored)
        assert (paid.outcome, paid.amount) == (Outcome.SUCCEEDED, AMOUNT)
        assert bench.charges() == [("t-2", AMOUNT)]

    async def test_a_stored_card_can_be_declined_later(self, bench: Bench) -> None:
        refused = await bench.gateway.store(card(NUMBERS["lost"]), "t-0")
        assert (refused.outcome, refused.stored) == (Outcome.DECLINED, None)
        kept = await bench.gateway.store(card(NUMBERS["kept-then-declined"]), "t-1")
        assert kept.stored
        later = await bench.gateway.charge_stored(ask_for("t-2"), kept.stored)
        assert (later.outcome, later.advice) == (Outcome.DECLINED, Advice.OTHER_CARD)
        assert bench.charges() == []

    @pytest.mark.parametrize("verb", ["capture", "void", "refund", "charge_stored"])
    async def test_what_is_not_there_is_refused(self, bench: Bench, verb: str) -> None:
        gateway = bench.gateway
        verbs: dict[str, Callable[[], Awaitable[object]]] = {
            "capture": lambda: gateway.capture("nothing", AMOUNT, "z-1"),
            "void": lambda: gateway.void("nothing", "z-1"),
            "refund": lambda: gateway.refund("nothing", AMOUNT, "z-1"),
            "charge_stored": lambda: gateway.charge_stored(ask_for("z-1"), "nothing"),
        }
        with pytest.raises(RequestRefusedError):
            await verbs[verb]()
        assert bench.charges() == []

    async def test_a_webhook_tells_of_the_attempt(self, bench: Bench) -> None:
        paid = await bench.gateway.purchase(ask_for("w-1"), card())
        body, headers = bench.webhook("w-1")
        notice = bench.gateway.parse_webhook(body, headers)
        assert notice.kind == "payment.succeeded"
        assert (notice.attempt_key, notice.reference) == ("w-1", paid.reference)
        assert notice.result is not None
        assert (notice.result.outcome, notice.result.amount) == (Outcome.SUCCEEDED, AMOUNT)

    async def test_a_declines_webhook_tells_the_advice(self, bench: Bench) -> None:
        await bench.gateway.purchase(ask_for("w-1"), card(NUMBERS["stolen"]))
        notice = bench.gateway.parse_webhook(*bench.webhook("w-1"))
        assert (notice.kind, notice.attempt_key) == ("payment.declined", "w-1")
        assert notice.result is not None
        assert notice.result.advice is Advice.STOP

    async def test_a_repeated_webhook_carries_the_same_id(self, bench: Bench) -> None:
        await bench.gateway.purchase(ask_for("w-1"), card())
        first = bench.gateway.parse_webhook(*bench.webhook("w-1", age=60))
        again = bench.gateway.parse_webhook(*bench.webhook("w-1"))
        assert (again.id, again.attempt_key) == (first.id, first.attempt_key)

    async def test_header_names_have_no_case(self, bench: Bench) -> None:
        await bench.gateway.purchase(ask_for("w-1"), card())
        body, headers = bench.webhook("w-1")
        shouted = {name.upper(): value for name, value in headers.items()}
        assert bench.gateway.parse_webhook(body, shouted).attempt_key == "w-1"

    async def test_a_forged_webhook_is_refused(self, bench: Bench) -> None:
        await bench.gateway.purchase(ask_for("w-1"), card())
        body, headers = bench.webhook("w-1")
        changed = {name: value[:-1] + "0g"[value[-1] == "0"] for name, value in headers.items()}
        for forged_body, forged_headers in [
            (body.replace(b"w-1", b"w-2"), headers),
            (body + b" ", headers),
            (body, changed),
            (body, {}),
        ]:
            with pytest.raises(WebhookRefusedError):
                bench.gateway.parse_webhook(forged_body, forged_headers)

    async def test_an_old_webhook_is_refused(self, bench: Bench) -> None:
        await bench.gateway.purchase(ask_for("w-1"), card())
        with pytest.raises(WebhookRefusedError):
            bench.gateway.parse_webhook(*bench.webhook("w-1", age=400))
