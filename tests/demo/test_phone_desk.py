"""The phone's commands and events: what is obeyed, what is refused, what is never said."""

import json
from typing import Any

import pytest

from ivr.demo.phone_desk import CallRefusedError, serve

NUMBER = "+33187210001"


class Notebook:
    """A telephone that only notes what it is told, and fails as it is told to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.notes: list[tuple[object, ...]] = []
        self._failure = failure

    def log_in(self) -> None:
        self._note("log_in")

    def dial(self, number: str) -> None:
        self._note("dial", number)

    def press(self, keys: str, press_ms: int, gap_ms: int, tones: str) -> None:
        self._note("press", keys, press_ms, gap_ms, tones)

    def take_calls(self) -> None:
        self._note("take_calls")

    def hang_up(self) -> None:
        self._note("hang_up")

    def _note(self, *note: object) -> None:
        self.notes.append(note)
        if self._failure is not None:
            raise self._failure


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_commands_are_obeyed_until_quit(capsys: pytest.CaptureFixture[str]) -> None:
    phone = Notebook()
    keys = {"do": "keys", "keys": "42#", "press_ms": 60, "gap_ms": 40, "tones": "in-band"}
    commands = [{"do": "keys", "keys": "1"}, keys, {"do": "hang_up"}, {"do": "quit"}]
    serve(phone, map(json.dumps, [{"do": "take_calls"}, *commands, {"do": "hang_up"}]), None)
    assert phone.notes == [
        ("take_calls",),
        ("press", "1", 100, 80, "events"),
        ("press", "42#", 60, 40, "in-band"),
        ("hang_up",),
    ]
    assert events(capsys) == []


@pytest.mark.parametrize(
    ("line", "do", "reason"),
    [
        ("4242", None, "not a JSON object"),
        ("{4242", None, "not a JSON object"),
        ('{"do": "sing", "keys": "4242"}', None, "unknown command"),
        ('{"keys": "4242"}', None, "unknown command"),
        ('{"do": "keys"}', "keys", "'keys' is missing"),
    ],
)
def test_what_is_no_command_is_an_error_that_quotes_nothing(
    capsys: pytest.CaptureFixture[str], line: str, do: str | None, reason: str
) -> None:
    serve(Notebook(), [line], None)
    assert events(capsys) == [{"event": "error", "do": do, "reason": reason}]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ValueError("no call is answered"), "no call is answered"),
        (OSError(), "OSError"),
        (TypeError("4242"), "a value has the wrong type"),
    ],
)
def test_what_the_phone_cannot_do_is_an_error(
    capsys: pytest.CaptureFixture[str], failure: Exception, reason: str
) -> None:
    serve(Notebook(failure), ['{"do": "hang_up"}'], None)
    assert events(capsys) == [{"event": "error", "do": "hang_up", "reason": reason}]


def test_a_refused_call_was_reported_where_it_was_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(Notebook(CallRefusedError()), ['{"do": "hang_up"}'], None)
    assert events(capsys) == []
