"""Entries as a caller keys them: keys go in, an outcome comes out."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ivr.keypad import card_fields
from ivr.keypad.capture import Choice, Entry, FieldCapture, MenuCapture, Mistake
from ivr.keypad.field import Field, Menu, Progress, Timeouts
from ivr.keypad.reference_field import reference
from ivr.keypad.rhythm import Rhythm
from ivr.vocabulary import Capture, EntryError, Step

TIMEOUTS = Timeouts(first=10, between=4)
TODAY = date(2026, 11, 21)
NUMBER = card_fields.card_number(TIMEOUTS)
EXPIRY = card_fields.expiration_date(TIMEOUTS, lambda: TODAY)
CODE = card_fields.security_code(TIMEOUTS, 3)
REFERENCE = reference(TIMEOUTS, 8, 8)
VISA = "4242424242424242"
BOUNCE = 0.03


class Keyed:
    """A capture with its outcome, and keys pressed a steady 300 ms apart."""

    def __init__(self, field: Field, rhythm: Rhythm | None = None) -> None:
        self.clock = Clock()
        self.outcome: Entry | Mistake | None = None
        self.progress: list[tuple[Capture, Progress]] = []
        self.capture = FieldCapture(
            self.clock, field, rhythm or Rhythm(), lambda s, p: self.progress.append((s, p))
        )
        self.capture.done.addCallback(self._end)
        self.capture.listen()

    def _end(self, outcome: Entry | Mistake) -> None:
        self.outcome = outcome

    def press(self, keys: str, gap: float = 0.3) -> "Keyed":
        for key in keys:
            self.clock.advance(gap)
            self.capture.press(key, gap)
        return self

    def wait(self, seconds: float) -> "Keyed":
        self.clock.advance(seconds)
        return self

    @property
    def digits(self) -> str:
        assert isinstance(self.outcome, Entry)
        return self.outcome.digits.peek().decode()

    @property
    def error(self) -> EntryError:
        assert isinstance(self.outcome, Mistake)
        return self.outcome.error


def test_a_valid_card_number_ends_at_once_without_hash() -> None:
    keyed = Keyed(NUMBER).press(VISA)
    assert keyed.digits == VISA
    assert isinstance(keyed.outcome, Entry)
    assert keyed.outcome.closed_itself


def test_an_american_express_number_ends_at_fifteen_digits() -> None:
    assert Keyed(NUMBER).press("378282246310005").digits == "378282246310005"


def test_a_dialler_that_is_quick_throughout_is_not_taken_for_a_bounce() -> None:
    assert Keyed(NUMBER).press("5555555555554444", gap=0.06).digits == "5555555555554444"


def test_a_number_of_varying_length_waits_for_hash_or_a_pause() -> None:
    union_pay = "6200000000000005"
    keyed = Keyed(NUMBER).press(union_pay)
    assert keyed.outcome is None
    assert keyed.press("#").digits == union_pay
    assert Keyed(NUMBER).press(union_pay).wait(4).digits == union_pay


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("424242#", EntryError.TOO_SHORT),
        ("424242424242424#", EntryError.TOO_SHORT),
        ("4242424242424241#", EntryError.LUHN_FAILED),
        ("52424242424242421#", EntryError.TOO_LONG),
        ("9999999999999995#", EntryError.INVALID_CARD_TYPE),
        ("4" * 24, EntryError.TOO_LONG),
    ],
)
def test_a_wrong_card_number_is_diagnosed(keys: str, error: EntryError) -> None:
    assert Keyed(NUMBER).press(keys).error is error


def test_a_bounced_key_is_told_from_a_wrong_digit() -> None:
    keyed = Keyed(NUMBER).press("42424").press("4", BOUNCE).press("24242424242#")
    assert keyed.error is EntryError.DOUBLED_KEY


def test_a_digit_twice_at_a_human_pace_is_no_bounce() -> None:
    assert Keyed(NUMBER).press("42424424242424242#").error is not EntryError.DOUBLED_KEY


def test_a_bounce_never_closes_a_number_that_happens_to_be_valid() -> None:
    # Sixteen digits that pass Luhn, one of them a bounce: the caller is still keying.
    assert Keyed(NUMBER).press("4111111111111111").outcome is not None
    assert Keyed(NUMBER).press("41111111111111").press("11", BOUNCE).outcome is None


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ("42424*", "4242"),
        ("4242*", ""),
        ("4242424242*", "42424242"),
        ("424242**", ""),
        ("*", ""),
        ("**", ""),
    ],
)
def test_star_erases_the_last_group_and_two_stars_the_field(keys: str, left: str) -> None:
    keyed = Keyed(NUMBER).press(keys)
    assert keyed.progress[-1][1].digits == len(left)
    assert keyed.press(VISA[len(left) :]).digits == VISA


def test_star_erases_a_short_field_whole() -> None:
    assert Keyed(EXPIRY).press("13*1230").digits == "1230"


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("123#", EntryError.TOO_SHORT),
        ("1330#", EntryError.MONTH_INVALID),
        ("0030#", EntryError.MONTH_INVALID),
        ("1026#", EntryError.DATE_PAST),
        ("1247#", EntryError.INVALID_DATE),
        ("13301#", EntryError.TOO_LONG),
    ],
)
def test_a_wrong_expiry_is_diagnosed(keys: str, error: EntryError) -> None:
    assert Keyed(EXPIRY).press(keys).error is error


def test_this_month_has_not_expired() -> None:
    assert Keyed(EXPIRY).press("1126").digits == "1126"


def test_a_year_in_full_is_understood() -> None:
    assert Keyed(EXPIRY).press("122030").digits == "122030"


def test_a_security_code_ends_at_its_length_and_a_short_one_is_diagnosed() -> None:
    assert Keyed(CODE).press("007").digits == "007"
    assert Keyed(CODE).press("12#").error is EntryError.TOO_SHORT


def test_a_reference_of_one_length_ends_at_once() -> None:
    assert Keyed(REFERENCE).press("12345678").digits == "12345678"
    assert Keyed(REFERENCE).press("1234567#").error is EntryError.TOO_SHORT


def test_references_of_several_lengths_wait_for_hash() -> None:
    field = reference(TIMEOUTS, 6, 8)
    assert Keyed(field).press("123456#").digits == "123456"
    assert Keyed(field).press("12345678").outcome is None
    assert Keyed(field).press("123456789#").error is EntryError.TOO_LONG


def test_silence_before_the_first_key_is_a_time_out() -> None:
    keyed = Keyed(NUMBER).wait(9.99)
    assert keyed.outcome is None
    assert keyed.wait(0.01).error is EntryError.TIMEOUT


def test_silence_inside_a_field_ends_it() -> None:
    keyed = Keyed(NUMBER).press("4242").wait(3.99)
    assert keyed.outcome is None
    assert keyed.wait(0.01).error is EntryError.TOO_SHORT


def test_a_slow_caller_gets_longer() -> None:
    rhythm = Rhythm()
    keyed = Keyed(NUMBER, rhythm).press("4242", gap=2.0).wait(4.99)
    assert keyed.outcome is None
    assert keyed.wait(0.01).error is EntryError.TOO_SHORT
    # Never longer than three times what everybody gets.
    rhythm.heard(60)
    assert rhythm.pause(4) == 12


def test_a_lone_hash_is_no_entry() -> None:
    assert Keyed(NUMBER).press("#").outcome is None


def test_letters_of_the_keypad_are_ignored() -> None:
    assert Keyed(CODE).press("1A2B3").digits == "123"


def test_progress_tells_brand_and_validity_and_no_digit() -> None:
    keyed = Keyed(NUMBER).press(VISA)
    assert [p.digits for _, p in keyed.progress] == list(range(1, 17))
    assert [p.brand for _, p in keyed.progress] == ["visa"] * 16
    assert [p.luhn for _, p in keyed.progress] == [None] * 15 + [True]
    states = [s for s, _ in keyed.progress]
    assert states == [Capture.KEYING] * 15 + [Capture.COMPLETE]


def test_an_abandoned_entry_is_wiped_and_says_nothing() -> None:
    keyed = Keyed(NUMBER).press("4242")
    keyed.capture.abandon()
    keyed.press("42424242").wait(100)
    assert keyed.outcome is None
    assert not keyed.clock.getDelayedCalls()


@pytest.mark.parametrize("build", [str, repr, "{}".format])
def test_digits_are_never_shown(build: Callable[[object], str]) -> None:
    outcome = Keyed(NUMBER).press(VISA).outcome
    assert isinstance(outcome, Entry)
    assert "4242" not in build(outcome.digits)
    assert "4242" not in build(outcome)


@given(st.text("0123456789*#ABCD", max_size=60))
def test_whatever_is_keyed_ends_at_most_once_and_leaves_no_timer(keys: str) -> None:
    for field in (NUMBER, EXPIRY, CODE, REFERENCE):
        keyed = Keyed(field).press(keys).wait(60)
        assert keyed.outcome is not None
        assert not keyed.clock.getDelayedCalls()


@given(st.data())
def test_a_mistake_never_keeps_a_digit(data: st.DataObject) -> None:
    keys = data.draw(st.text("0123456789", min_size=1, max_size=30))
    keyed = Keyed(NUMBER).press(keys).wait(60)
    if isinstance(keyed.outcome, Mistake):
        assert len(keyed.capture._digits) == 0


MENU = Menu(Step.CONFIRM, frozenset("12"), Timeouts(8, 8))


def _menu(keys: str, wait: float = 0) -> Choice | Mistake | None:
    clock = Clock()
    outcomes: list[Choice | Mistake] = []
    capture = MenuCapture(clock, MENU)
    capture.done.addCallback(outcomes.append)
    capture.listen()
    for key in keys:
        capture.press(key, 0.3)
    clock.advance(wait)
    assert not clock.getDelayedCalls() or not outcomes
    return outcomes[0] if outcomes else None


def test_a_menu_takes_one_of_its_keys() -> None:
    assert _menu("2") == Choice("2")
    assert _menu("12") == Choice("1")
    assert _menu("7") == Mistake(EntryError.INPUT_MATCHING_FAILED)
    assert _menu("", 8) == Mistake(EntryError.TIMEOUT)
    assert _menu("", 7.9) is None
