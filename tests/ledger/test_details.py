"""No event can carry a digit of a card, whoever builds it."""

import string
from dataclasses import fields
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum import luhn

from ivr.ledger.card_shape import holds_card_number
from ivr.ledger.details import (
    KNOWN_BRANDS,
    Direction,
    EventDetail,
    safe_reference,
    telephone,
)
from ivr.ledger.events import PAYMENT_ENDS, Event, call_started, new_id
from ivr.vocabulary import (
    Capture,
    CommandOutcome,
    CommandType,
    EntryError,
    EventType,
    Result,
    Step,
)
from payment_gateway import brands
from tests.ledger.stage import NOON

_CARD = "4242424242424242"


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    """13 to 19 digits that pass Luhn."""
    body = draw(st.text(string.digits, min_size=12, max_size=18))
    return body + luhn.calc_check_digit(body)


@st.composite
def written_card_numbers(draw: st.DrawFn) -> str:
    """A card number as people and programs write it, with other text around it."""
    number = draw(card_numbers())
    size = draw(st.sampled_from([1, 4, len(number)]))
    between = draw(st.sampled_from(["", " ", "-", ".", "_", "/", ", ", "+"]))
    groups = [number[start : start + size] for start in range(0, len(number), size)]
    around = st.sampled_from(["", " ", "+", "pi_", "x", "card-", "sip:", "…"])
    return draw(around) + between.join(groups) + draw(around)


_TEXT_FIELDS = [field.name for field in fields(EventDetail) if "str" in str(field.type).lower()]


def test_every_text_field_is_looked_at() -> None:
    assert set(_TEXT_FIELDS) == {
        "brand", "prompt", "currency", "last4", "expiry_masked", "reference", "code",
        "advice", "reason", "caller", "called", "debt_id", "agent", "trunk",
    }  # fmt: skip


@given(field=st.sampled_from([field.name for field in fields(EventDetail)]),
       written=written_card_numbers())  # fmt: skip
@example(field="prompt", written="424-242-424-242-424-2")
@example(field="debt_id", written="d4242424242424242")
def test_no_field_takes_a_card_number(field: str, written: str) -> None:
    with pytest.raises(ValueError, match=field) as refused:
        EventDetail(**{field: written})  # type: ignore[arg-type]  # wrong on purpose
    assert not holds_card_number(str(refused.value))


@given(number=card_numbers(), before=st.text(string.digits, max_size=6))
def test_a_card_number_is_found_at_any_offset(number: str, before: str) -> None:
    assert holds_card_number(f"a{before}{number}b")


@given(
    text=st.text(string.ascii_letters + " -+", max_size=20), digits=st.integers(0, 10**12 - 1)
)
def test_fewer_digits_are_no_card_number(text: str, digits: int) -> None:
    assert not holds_card_number(f"{text}{digits}{text}")


@pytest.mark.parametrize(
    "smuggled",
    [
        {"amount": int(_CARD)},
        {"amount": -1},
        {"amount": True},
        {"amount": "1200"},
        {"digits": 4242},
        {"digits": -1},
        {"attempt": 123},
        {"prompt_version": 1227},
        {"brand": "4242"},
        {"brand": "Visa"},
        {"luhn": 4242},
        {"luhn": 1},
        {"capture": "4242"},
        {"capture": "waiting"},
        {"error": "4242"},
        {"error": "timeout"},
        {"result": "success"},
        {"result": Step.WELCOME},
        {"direction": "inbound"},
        {"silence": "4242"},
        {"silence": True},
        {"prompt": "card.4242"},
        {"prompt": "card.123.456.789"},
        {"prompt": "Card"},
        {"prompt": ""},
        {"currency": "978"},
        {"currency": "eur"},
        {"last4": "42424"},
        {"last4": "424"},
        {"last4": 4242},
        {"last4": "٤٢٤٢"},
        {"expiry_masked": "12/27"},
        {"expiry_masked": "**/27"},
        {"reference": _CARD},
        {"reference": "4242 4242 4242 4242"},
        {"reference": "pi_٤٢٤٢"},
        {"reference": "x" * 256},
        {"code": "4242"},
        {"code": "cvc-4242"},
        {"advice": "c1d2e3f4"},
        {"reason": "expiry-1227"},
        {"caller": _CARD},
        {"caller": "+33612345678\n"},
        {"called": "4242-4242-4242-4242"},
        {"debt_id": _CARD},
    ],
)
def test_each_kind_of_smuggled_digit_is_refused(smuggled: dict[str, Any]) -> None:
    ((field, value),) = smuggled.items()
    with pytest.raises(ValueError, match=field) as refused:
        EventDetail(**smuggled)
    assert str(value) not in str(refused.value) or str(value) == ""


def test_everything_that_may_be_said_can_be_said() -> None:
    detail = EventDetail(
        error=EntryError.LUHN_FAILED,
        attempt=2,
        digits=16,
        brand="visa",
        luhn=False,
        capture=Capture.COMPLETE,
        silence=1.249,
        prompt="card-number.error.luhn-failed.2",
        prompt_version=3,
        result=Result.CARD_DECLINED,
        amount=12_050,
        currency="EUR",
        last4="4242",
        expiry_masked="**/**",
        reference="pi_3QabcDEF0123456789xyz",
        code="insufficient-funds",
        advice="other-card",
        reason="sip-486",
        direction=Direction.INBOUND,
        caller="+33612345678",
        called="3000",
        debt_id=new_id(),
        agent=new_id(),
        command=CommandType.TAKE_BACK,
        outcome=CommandOutcome.DONE,
        trunk="sip.carrier-2",
        loss=0.02,
        peer_loss=0.01,
        jitter=0.004,
        round_trip=0.08,
    )
    data = detail.data()
    assert set(data) == {field.name for field in fields(EventDetail)}
    assert (data["silence"], data["error"], data["capture"]) == (1.2, "luhn-failed", "complete")
    assert EventDetail().data() == {}


@given(seconds=st.floats() | st.integers())
def test_silence_has_no_room_for_digits(seconds: float) -> None:
    kept = EventDetail(silence=seconds).silence
    assert kept is not None
    assert 0 <= kept <= 3600
    assert len(f"{kept}") <= 6


def test_all_brands_of_the_card_table_are_known() -> None:
    named = [value.name for value in vars(brands).values() if isinstance(value, brands.Brand)]
    assert named
    assert set(named) <= KNOWN_BRANDS


@pytest.mark.parametrize("kind", list(EventType))
@pytest.mark.parametrize("shown", [{"last4": "4242"}, {"expiry_masked": "**/**"}])
def test_only_a_payments_end_shows_the_last_digits(
    kind: EventType, shown: dict[str, str]
) -> None:
    detail = EventDetail(**shown)  # type: ignore[arg-type]  # names and values above fit
    if kind in PAYMENT_ENDS:
        assert Event(kind, NOON, "c", "t", Step.PROCESSING, detail).detail is detail
    else:
        with pytest.raises(ValueError, match="last digits"):
            Event(kind, NOON, "c", "t", Step.PROCESSING, detail)


@pytest.mark.parametrize("wrong", [_CARD, "", "a b", "x" * 41, "tx/1", "4242-4242-4242-4242"])
def test_an_id_is_no_card_number(wrong: str) -> None:
    for ids in ((wrong, None), (None, wrong)):
        with pytest.raises(ValueError, match="id is not of its form"):
            Event(EventType.PROMPT_PLAYED, NOON, *ids)


def test_new_ids_have_no_digit_and_differ() -> None:
    made = {new_id() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(len(one) == 32 and one.isalpha() and one.islower() for one in made)


def test_an_events_time_has_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        Event(EventType.PROMPT_PLAYED, datetime(2026, 11, 21))  # noqa: DTZ001 - refused


@pytest.mark.parametrize(
    "kind",
    [
        EventType.CALL_STARTED,
        EventType.CALL_ANSWERED,
        EventType.CALL_ENDED,
        EventType.TRANSACTION_CREATED,
        EventType.TRANSACTION_IDENTIFIED,
        EventType.TRANSACTION_ENDED,
        EventType.ENTRY_ERROR,
    ],
)
def test_an_event_has_what_its_rows_need(kind: EventType) -> None:
    with pytest.raises(ValueError, match=str(kind)):
        Event(kind, NOON)


@given(number=st.text(max_size=80) | written_card_numbers())
def test_any_caller_can_be_recorded(number: str) -> None:
    event = call_started(
        "call-a",
        NOON,
        direction=Direction.INBOUND,
        caller=number,
        called=number,
        sip_call_id=number,
    )
    assert not holds_card_number(str(event.detail.data()))


def test_telephone_numbers_stay_readable() -> None:
    assert telephone("+33612345678") == "+33612345678"
    assert telephone("alice") == "alice"
    assert telephone("Zoé\n") == "Zo??"
    assert telephone(_CARD) == "4242…"


@given(
    reference=st.text(max_size=300)
    | st.text(string.ascii_letters + string.digits + "_-", max_size=30)
    | written_card_numbers()
)
def test_a_safe_reference_is_the_reference_or_none_and_always_fits(reference: str) -> None:
    kept = safe_reference(reference)
    assert kept in (None, reference)
    assert EventDetail(reference=kept).reference == kept


def test_usual_references_are_kept() -> None:
    assert safe_reference("pi_3QabcDEF0123456789xyz") == "pi_3QabcDEF0123456789xyz"
    assert safe_reference(None) is None
