"""What the caller is told when Stripe, or the way to it, fails; and what was really charged."""

import asyncio

import pytest

from payment_gateway.interface import GatewayConfigurationError, RequestRefusedError
from payment_gateway.results import Advice, DeclineCode, Money, Outcome
from payment_gateway.stripe_calls import Failure, FailureKind, ask
from payment_gateway.stripe_gateway import StripeGateway
from payment_gateway.stripe_http import ConnectionFailedError
from tests.fakes import stripe_api_objects as objects
from tests.fakes.stripe_api import RunningStripe
from tests.fakes.stripe_api_account import Fault
from tests.payment_gateway.bench import AMOUNT, ask_for, card
from tests.payment_gateway.conformance import SETTLED
from tests.payment_gateway.stripe_bench import StripeBench


@pytest.mark.parametrize(
    "faults",
    [
        [Fault.DROP_BEFORE] * 3,
        [Fault.DROP_AFTER] * 3,
        [Fault.ERROR_BEFORE] * 3,
        [Fault.ERROR_AFTER],
        [Fault.RATE_LIMIT] * 3,
        [Fault.CONFLICT] * 3,
    ],
)
async def test_what_fails_before_the_charge_has_charged_nothing(
    bench: StripeBench, faults: list[Fault]
) -> None:
    bench.fail("payment_methods", *faults)
    result = await bench.gateway.purchase(ask_for("a"), card())
    assert result.outcome is Outcome.NOT_CHARGED
    assert bench.charges() == []
    assert bench.account.intents == {}


@pytest.mark.parametrize(
    ("faults", "outcome", "charged"),
    [
        ([Fault.RATE_LIMIT] * 3, Outcome.NOT_CHARGED, 0),
        ([Fault.LOCK] * 3, Outcome.UNKNOWN, 0),
        ([Fault.CONFLICT] * 3, Outcome.UNKNOWN, 0),
        ([Fault.DROP_BEFORE] * 3, Outcome.UNKNOWN, 0),
        ([Fault.ERROR_BEFORE] * 3, Outcome.UNKNOWN, 0),
        ([Fault.DROP_AFTER, Fault.RATE_LIMIT, Fault.RATE_LIMIT], Outcome.UNKNOWN, 1),
        ([Fault.DROP_AFTER] * 3, Outcome.UNKNOWN, 1),
        ([Fault.ERROR_AFTER], Outcome.UNKNOWN, 1),
        ([Fault.DROP_AFTER], Outcome.SUCCEEDED, 1),
        ([Fault.DROP_AFTER, Fault.CONFLICT], Outcome.SUCCEEDED, 1),
        ([Fault.RATE_LIMIT, Fault.DROP_BEFORE], Outcome.SUCCEEDED, 1),
    ],
)
async def test_what_fails_at_the_charge_is_told_without_guessing(
    bench: StripeBench, faults: list[Fault], outcome: Outcome, charged: int
) -> None:
    begun = bench.wall()
    bench.fail("payment_intents", *faults)
    result = await bench.gateway.purchase(ask_for("a"), card())
    assert result.outcome is outcome
    assert len(bench.charges()) == charged
    bench.wall.advance(SETTLED)
    asked = await bench.gateway.inquire("a", since=begun)
    assert asked.outcome is (Outcome.SUCCEEDED if charged else Outcome.NOT_CHARGED)
    assert len(bench.charges()) == charged


async def test_a_declined_card_stays_declined_when_the_first_answer_was_lost(
    bench: StripeBench,
) -> None:
    bench.fail("payment_intents", Fault.DROP_AFTER)
    result = await bench.gateway.purchase(ask_for("a"), card("4000000000009995"))
    assert (result.outcome, result.code) == (Outcome.DECLINED, DeclineCode.INSUFFICIENT_FUNDS)
    assert len(bench.account.intents) == 1


async def test_tries_are_spaced_and_few(bench: StripeBench) -> None:
    bench.fail("payment_intents", *[Fault.RATE_LIMIT] * 3)
    await bench.gateway.purchase(ask_for("a"), card())
    assert bench.slept == [0.5, 1.0]


@pytest.mark.parametrize(("fault", "charged"), [(Fault.HANG_BEFORE, 0), (Fault.HANG_AFTER, 1)])
async def test_an_answer_that_never_comes_is_not_waited_for(
    stripe: RunningStripe, fault: Fault, charged: int
) -> None:
    bench = StripeBench(stripe, deadline=1)
    begun = bench.wall()
    bench.fail("payment_intents", fault)
    result = await bench.gateway.purchase(ask_for("a"), card())
    assert result.outcome is Outcome.UNKNOWN
    bench.wall.advance(SETTLED)
    asked = await bench.gateway.inquire("a", since=begun)
    assert asked.outcome is (Outcome.SUCCEEDED if charged else Outcome.NOT_CHARGED)
    assert len(bench.charges()) == charged
    await bench.gateway.close()


async def test_a_gateway_that_is_not_there_has_charged_nothing() -> None:
    async def no_wait(seconds: float) -> None:
        """Come back at once."""

    # Port 1 of the loopback: nobody listens there.
    gateway = StripeGateway("sk_test_1", api_base="http://127.0.0.1:1", sleep=no_wait)
    result = await gateway.purchase(ask_for("a"), card())
    assert (result.outcome, result.raw) == (
        Outcome.NOT_CHARGED,
        {"connection": "ConnectError"},
    )
    assert (await gateway.inquire("a")).outcome is Outcome.UNKNOWN
    await gateway.close()


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ([False, False], FailureKind.NOT_PROCESSED),
        ([True, False], FailureKind.UNCLEAR),
        ([False, True], FailureKind.UNCLEAR),
    ],
)
async def test_one_try_that_may_have_arrived_makes_the_end_unclear(
    sent: list[bool], kind: FailureKind
) -> None:
    tries = iter(sent)

    async def send() -> None:
        raise ConnectionFailedError("Broken", sent=next(tries))

    answer = await ask(send, deadline=60, retries=1, sleep=lambda _: asyncio.sleep(0))
    assert isinstance(answer, Failure)
    assert answer.kind is kind


async def test_an_answer_that_cannot_be_read_is_unclear() -> None:
    async def send() -> None:
        raise KeyError("status")

    answer = await ask(send, deadline=60, retries=5, sleep=asyncio.sleep)
    assert answer == Failure(FailureKind.UNCLEAR, {"bug": "KeyError"})


async def test_a_duplicate_seen_by_the_issuer_asks_for_no_other_card(
    bench: StripeBench,
) -> None:
    result = await bench.gateway.purchase(ask_for("a"), card("4000000000007809"))
    assert (result.outcome, result.code) == (Outcome.UNKNOWN, DeclineCode.DUPLICATE)
    asked = await bench.gateway.inquire("a", result.reference)
    assert (asked.outcome, asked.code) == (Outcome.DECLINED, DeclineCode.DUPLICATE)
    assert asked.advice is Advice.STOP
    assert bench.charges() == []


async def test_a_wrong_key_is_a_matter_of_configuration(stripe: RunningStripe) -> None:
    bench = StripeBench(stripe, api_key="sk_test_wrong")
    with pytest.raises(GatewayConfigurationError, match=r"gateway\.stripe\.api_key"):
        await bench.gateway.purchase(ask_for("a"), card())
    with pytest.raises(GatewayConfigurationError, match=r"gateway\.stripe\.api_key"):
        await bench.gateway.inquire("a")
    await bench.gateway.close()


async def test_an_account_without_raw_cards_is_named(bench: StripeBench) -> None:
    bench.account.raw_cards = False
    with pytest.raises(GatewayConfigurationError, match="raw card data is not enabled"):
        await bench.gateway.purchase(ask_for("a"), card())
    assert bench.charges() == []


async def test_an_account_without_moto_is_named(bench: StripeBench) -> None:
    bench.account.moto = False
    with pytest.raises(GatewayConfigurationError, match="MOTO"):
        await bench.gateway.purchase(ask_for("a"), card())
    assert bench.charges() == []


async def test_a_key_that_failed_after_a_lost_answer_leaves_the_end_open(
    bench: StripeBench,
) -> None:
    bench.fail("payment_intents", Fault.DROP_AFTER)
    right = bench.account.api_key

    async def lock_out(seconds: float) -> None:
        bench.account.api_key = "sk_test_rotated"

    bench.gateway._api._sleep = lock_out
    result = await bench.gateway.purchase(ask_for("a"), card())
    assert result.outcome is Outcome.UNKNOWN
    bench.account.api_key = right
    assert (await bench.gateway.inquire("a")).outcome is Outcome.SUCCEEDED


async def test_an_amount_stripe_does_not_take_is_refused(bench: StripeBench) -> None:
    with pytest.raises(RequestRefusedError, match="amount_too_small"):
        await bench.gateway.purchase(ask_for("a", Money(49, "EUR")), card())
    assert bench.charges() == []


async def test_an_attempt_is_found_on_a_later_page(bench: StripeBench) -> None:
    begun = bench.wall()
    await bench.gateway.purchase(ask_for("a"), card())
    for number in range(205):
        made = objects.payment_intent(100, "eur", "pm", {"solde_attempt": f"other-{number}"})
        bench.account.intents[made["id"]] = made
    asked = await bench.gateway.inquire("a", since=begun)
    assert (asked.outcome, asked.amount) == (Outcome.SUCCEEDED, AMOUNT)
    pages = [form for verb, form in bench.account.seen if verb == "GET /v1/payment_intents"]
    assert len(pages) == 3
    assert {form["limit"] for form in pages} == {"100"}
    assert all(form["created"] == {"gte": str(int(begun.timestamp()) - 3600)} for form in pages)


async def test_an_inquiry_that_fails_is_repeated_later(bench: StripeBench) -> None:
    await bench.gateway.purchase(ask_for("a"), card())
    begun = bench.wall()
    bench.wall.advance(SETTLED)
    bench.fail("payment_intents", *[Fault.ERROR_BEFORE] * 3)
    assert (await bench.gateway.inquire("a", since=begun)).outcome is Outcome.UNKNOWN
    bench.fail("payment_intents", *[Fault.RATE_LIMIT] * 3)
    assert (await bench.gateway.inquire("a", "pi_1", begun)).outcome is Outcome.UNKNOWN


async def test_a_reference_that_is_not_there_is_refused(bench: StripeBench) -> None:
    with pytest.raises(RequestRefusedError, match="resource_missing"):
        await bench.gateway.inquire("a", "pi_nothing")
