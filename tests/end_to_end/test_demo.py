"""`solde demo --json`, as a newcomer's script would use it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ivr.vocabulary import EntryError, Result, Step

TO_THE_CHARGE = [
    Step.WELCOME,
    Step.REFERENCE,
    Step.AMOUNT,
    Step.READY,
    Step.CARD_NUMBER,
    Step.EXPIRATION_DATE,
    Step.SECURITY_CODE,
    Step.CONFIRM,
    Step.PROCESSING,
]
DEMOS = {
    "paid": (),
    "mistyped": ("--mistakes",),
    "declined": ("--card", "4000000000000002"),
}


@dataclass(frozen=True)
class Ended:
    """A demo that has run: its exit status, its one object, and what the debtor heard."""

    status: int
    told: dict[str, Any]

    @property
    def steps(self) -> list[str]:
        steps: list[str] = self.told["steps"]
        return steps

    def check_sound(self) -> None:
        """The debtor heard speech: long enough, loud enough, not a tone throughout."""
        heard = Path(self.told["heard"])
        sound, rate = soundfile.read(heard, dtype="float64")
        heard.unlink()
        heard.parent.rmdir()
        assert rate == 8000
        assert 20 <= len(sound) / rate <= 240
        seconds = sound[: len(sound) // rate * rate].reshape(-1, rate)
        loud = np.sqrt((seconds**2).mean(axis=1)) > 10 ** (-40 / 20)
        assert loud.mean() > 0.4
        assert np.abs(sound).max() <= 1.0


class Demos:
    """All demos at once: they spend their time listening."""

    def __init__(self, stack: ExitStack) -> None:
        self._running = {
            name: stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "ivr.cli", "demo", "--json", *arguments],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for name, arguments in DEMOS.items()
        }

    def __getitem__(self, name: str) -> Ended:
        """Return a demo once it has ended; nothing but one object was printed."""
        out, err = self._running[name].communicate(timeout=400)
        assert err == ""
        return Ended(self._running[name].returncode, json.loads(out))


@pytest.fixture(scope="module")
def demos() -> Iterator[Demos]:
    with ExitStack() as stack:
        yield Demos(stack)


def test_it_ends_in_a_payment(demos: Demos) -> None:
    demo = demos["paid"]
    assert demo.status == 0
    assert set(demo.told) == {
        "result", "amount", "currency", "steps", "heard", "entry_errors",
    }  # fmt: skip
    assert demo.told["result"] == Result.SUCCESS
    assert (demo.told["amount"], demo.told["currency"]) == (12345, "EUR")
    assert demo.steps == [*TO_THE_CHARGE, Step.COMPLETED]
    assert demo.told["entry_errors"] == []
    demo.check_sound()


def test_mistakes_on_the_way_are_told_apart_and_mended(demos: Demos) -> None:
    demo = demos["mistyped"]
    assert demo.status == 0
    assert demo.told["result"] == Result.SUCCESS
    assert demo.told["amount"] == 12345
    assert demo.steps == [*TO_THE_CHARGE, Step.COMPLETED]
    assert set(demo.told["entry_errors"]) >= {
        EntryError.REFERENCE_UNKNOWN,
        EntryError.LUHN_FAILED,
        EntryError.DOUBLED_KEY,
        EntryError.MONTH_INVALID,
        EntryError.DATE_PAST,
    }
    demo.check_sound()


def test_a_declined_card_fails_the_demo(demos: Demos) -> None:
    demo = demos["declined"]
    assert demo.status == 1
    assert demo.told["result"] == Result.CARD_DECLINED
    assert demo.told["amount"] == 0
    assert demo.steps == [*TO_THE_CHARGE, Step.FAILED]
    demo.check_sound()
