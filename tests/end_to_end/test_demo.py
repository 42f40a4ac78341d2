"""`solde demo --json`, as a newcomer's script would use it."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ivr.vocabulary import EntryError, Result, Step
from tests.end_to_end.side_by_side import alongside

_SECONDS = 300

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
        assert rate == 8000
        assert 20 <= len(sound) / rate <= 240
        seconds = sound[: len(sound) // rate * rate].reshape(-1, rate)
        loud = np.sqrt((seconds**2).mean(axis=1)) > 10 ** (-40 / 20)
        assert loud.mean() > 0.4
        assert np.abs(sound).max() <= 1.0


@alongside
async def test_it_ends_in_a_payment(folder: Path) -> None:
    demo = await ended(folder)
    assert demo.status == 0
    assert set(demo.told) == {
        "result", "amount", "currency", "steps", "heard", "entry_errors",
    }  # fmt: skip
    assert demo.told["result"] == Result.SUCCESS
    assert (demo.told["amount"], demo.told["currency"]) == (12345, "EUR")
    assert demo.steps == [*TO_THE_CHARGE, Step.COMPLETED]
    assert demo.told["entry_errors"] == []
    demo.check_sound()


@alongside
async def test_an_agent_transfers_takes_back_and_hears_no_key(folder: Path) -> None:
    demo = await ended(folder, "--act", "agent")
    assert demo.status == 0
    assert demo.told["result"] == Result.SUCCESS
    assert demo.told["agent_heard_digits"] == 0
    assert demo.steps == [
        Step.WELCOME,
        Step.AMOUNT,
        Step.READY,
        Step.CARD_NUMBER,
        Step.AGENT,
        *TO_THE_CHARGE[TO_THE_CHARGE.index(Step.CARD_NUMBER) :],
        Step.COMPLETED,
    ]
    demo.check_sound()


@alongside
async def test_mistakes_on_the_way_are_told_apart_and_mended(folder: Path) -> None:
    demo = await ended(folder, "--mistakes")
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


@alongside
async def test_a_declined_card_fails_the_demo(folder: Path) -> None:
    demo = await ended(folder, "--card", "4000000000000002")
    assert demo.status == 1
    assert demo.told["result"] == Result.CARD_DECLINED
    assert demo.told["amount"] == 0
    assert demo.steps == [*TO_THE_CHARGE, Step.FAILED]
    demo.check_sound()


async def ended(folder: Path, *arguments: str) -> Ended:
    """Run a demo to its end; it prints one object and nothing else."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ivr.cli",
        "demo",
        "--json",
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        async with asyncio.timeout(_SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert err == b""
    return Ended(process.returncode or 0, json.loads(out))
