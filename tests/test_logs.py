"""Whatever is logged, however it is wrapped, no card comes out."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from ivr.demo.search import disguises
from ivr.logs import configure, redact

PAN = "4242424242424242"


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_way_of_logging_lets_a_card_out(style: Literal["json", "console"]) -> None:
    stream = io.StringIO()
    configure("debug", style, stream)
    log = structlog.get_logger("tests")
    secret_local = PAN
    log.debug(f"a {PAN}", note="4242-4242-4242-4242", spaced="4242 4242 4242 4242")
    log.info("nested", deep={"list": [PAN, (PAN,)], "number": "1"}, digits_keyed="42")
    log.info("kinds", integer=int(PAN), raw=PAN.encode(), set={PAN}, exc=ValueError(PAN))
    log.info("long", run="9" + PAN + "1234567")
    logging.getLogger("library").warning("args %s %d", PAN, int(PAN))
    logging.getLogger("library").warning("%d", "not a number " + PAN)
    logging.getLogger("stripe").debug(PAN)
    try:
        int("x" + PAN)
    except ValueError:
        log.exception("failed", cvc="123")
        logging.getLogger("library").exception("failed")
    text = stream.getvalue()
    assert secret_local not in text
    for form in disguises(PAN):
        if form != PAN[::-1].encode():
            assert form.decode("utf-8", "replace") not in text
    assert "removed" in text


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_is_told_without_the_digits_it_quotes(
    style: Literal["json", "console"],
) -> None:
    stream = io.StringIO()
    configure("debug", style, stream)
    code = "739"
    try:
        try:
            int(f"x{code}")
        except ValueError as cause:
            cause.add_note(f"keyed: {code}")
            inner = KeyError(code)
            raise ExceptionGroup(f"all of {code}", [inner]) from cause
    except ExceptionGroup:
        structlog.get_logger("tests").exception("failed")
        logging.getLogger("library").exception("failed")
    text = stream.getvalue()
    assert code not in text
    assert text.count("x###") == 2
    assert text.count("keyed: ###") == 2
    assert "test_an_exception_is_told_without_the_digits_it_quotes" in text


def test_json_lines_stay_json() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    structlog.get_logger("tests").info("said", call="c1", seconds=1.5, ok=True)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["call"], line["seconds"], line["ok"]) == (
        "said",
        "c1",
        1.5,
        True,
    )


def test_the_chatty_libraries_stay_quiet_at_debug() -> None:
    configure("debug", "json", io.StringIO())
    for name in ("stripe", "httpx", "httpcore"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING


@given(st.text("0123456789", max_size=30), st.text("0123456789", max_size=30))
def test_a_card_inside_a_longer_run_is_found(before: str, after: str) -> None:
    assert PAN not in str(redact(f"x{before}{PAN}{after}y"))


@given(st.dates())
def test_what_is_no_card_is_left_alone(day: object) -> None:
    text = f"on {day} at 12:30, 20261234 owed 123.45"
    assert redact(text) == text


@pytest.mark.parametrize("sign", ["/", ", ", "--", "\u00b2", "\u00a0", "\u2009"])
def test_what_the_ledger_takes_for_a_card_no_line_shows(sign: str) -> None:
    told = str(redact(f"a {sign.join(('4242',) * 4)} b"))
    assert "4242" not in told
    assert told.startswith("a ")
    assert told.endswith(" b")
