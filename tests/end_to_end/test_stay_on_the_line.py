"""An agent stays on the line while a card is keyed, with phones that are not ours.

The agent's is pyVoIP: what it hears is recorded and looked at, and packets of keys are counted.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile

from ivr.demo.heard_digits import heard_digits
from ivr.demo.phone_client import Phone
from ivr.demo.search import places_of
from ivr.demo.stage import NUMBERS, PHONE_PASSWORD, Stage
from ivr.media.g711 import FRAME, RATE
from ivr.media.tone_plan import HIGH, LOW, ZERO_DBM0
from ivr.vocabulary import EventType, Result, Step
from tests.end_to_end.baresip import Baresip
from tests.end_to_end.debtor import AMOUNT, REFERENCE, VISA, users
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.side_by_side import alongside

EXPIRY, CODE = "1230", "123"
TO_AGENT = json.dumps([{"number": NUMBERS["fr"], "language": "fr", "route": "agent"}])


@dataclass
class Line:
    """A stage on which an agent's phone is registered and takes calls."""

    stage: Stage
    log: EventLog
    agent: Phone
    client: httpx.AsyncClient
    recording: Path
    transaction: str = ""
    call: str = ""
    keying_since: float = 0.0
    """When the second field was asked for, by the loop's clock."""

    async def joined(self) -> None:
        """Wait until debtor and agent talk."""
        connected = await self.log.wait_for(EventType.AGENT_CONNECTED)
        self.transaction = connected["transaction_id"]
        self.call = connected["call_id"]

    async def command(self, kind: str, **more: Any) -> str:
        """Command the call; return the outcome, once it is known."""
        address = f"/api/v1/transactions/{self.transaction}/commands"
        answer = await self.client.post(address, json={"type": kind, **more})
        told = answer.raise_for_status().json()
        if told["outcome"] is None:
            await self.log.wait_for(EventType.COMMAND_ENDED, command=kind)
            told = (await self.client.get(f"/api/v1/commands/{told['id']}")).json()
        outcome: str = told["outcome"]
        return outcome

    async def asked_for(self, step: Step) -> None:
        await self.log.wait_for(EventType.STEP_ENTERED, step=step)
        if step is Step.EXPIRATION_DATE:
            self.keying_since = asyncio.get_running_loop().time()

    async def heard_nothing(self, *, is_over: bool = False) -> None:
        """Hang the agent up, and look at all that its phone has heard and got."""
        over = await (self.agent.wait_for("hung-up") if is_over else self.agent.hang_up())
        seconds = asyncio.get_running_loop().time() - self.keying_since
        assert over["events"] == 0
        assert heard_digits(self.recording) == 0
        heard, rate = soundfile.read(self.recording, dtype="int16")
        assert rate == RATE
        assert len(heard) > RATE
        if is_over:
            return
        # From here on nobody has said a word, so that nothing else is in the spectrum.
        keyed = heard[-int(seconds * RATE) :]
        assert np.ptp(keyed) > 0
        assert loudest_of_a_keypad(keyed) < -50

    async def paid(self, amount: int) -> None:
        ended = await self.log.wait_for(EventType.TRANSACTION_ENDED)
        assert ended["data"]["result"] == Result.SUCCESS
        [charged] = self.log.all(EventType.PAYMENT_SUCCEEDED)
        assert charged["data"]["amount"] == amount
        assert charged["transaction_id"] == self.transaction
        assert not self.log.all(EventType.ENTRY_ERROR)
        assert [one["data"]["reason"] for one in self.log.all(EventType.CAPTURE_STOPPED)] == [
            "charged"
        ]


@asynccontextmanager
async def a_line(folder: Path, **settings: str) -> AsyncIterator[Line]:
    recording = folder / "agent.wav"
    environment = {
        **users("agent", "debtor"),
        "SOLDE_AGENTS__PHONES": json.dumps(["agent"]),
        **settings,
    }
    async with (
        Stage(folder / "stage", environment) as stage,
        EventLog(stage) as log,
        await Phone.start(stage.registrar, "agent", PHONE_PASSWORD, record=recording) as agent,
        stage.client() as client,
    ):
        await agent.register()
        agent.take_calls()
        yield Line(stage, log, agent, client, recording)
    assert places_of(VISA, folder / "stage") == []


@asynccontextmanager
async def a_debtor(line: Line, folder: Path) -> AsyncIterator[Phone]:
    recording = folder / "debtor.wav"
    async with await Phone.start(
        line.stage.registrar, "debtor", PHONE_PASSWORD, record=recording
    ) as debtor:
        await debtor.register()
        yield debtor


@alongside
async def test_a_card_is_keyed_while_the_agent_stays_on_the_line(folder: Path) -> None:
    home = folder / "debtor"
    home.mkdir()
    async with (
        a_line(folder, SOLDE_NUMBERS=TO_AGENT) as line,
        await Baresip.start(home, line.stage.registrar, user="debtor") as debtor,
    ):
        await debtor.call(NUMBERS["fr"])
        await line.joined()
        assert await line.command("start-capture") == "not-now"
        assert await line.command("start-capture", reference=REFERENCE) == "done"
        assert await line.command("start-capture") == "already"
        for step, keys in (
            (Step.CARD_NUMBER, VISA),
            (Step.EXPIRATION_DATE, EXPIRY),
            (Step.SECURITY_CODE, CODE),
        ):
            await line.asked_for(step)
            await debtor.press(keys)
        await line.asked_for(Step.CONFIRM)
        assert await line.command("capture", field="security-code") == "done"
        assert await line.command("complete") == "not-now"
        await debtor.press(CODE)
        await line.log.wait_for(EventType.STEP_ENTERED, step=Step.CONFIRM, count=2)
        assert await line.command("complete") == "done"
        await line.paid(AMOUNT)
        assert await line.command("complete") in ("already", "not-now")
        await line.heard_nothing()
        await debtor.wait_for("CALL_CLOSED")
    assert len(line.log.all(EventType.SHIELD_PROVED)) == 1


@alongside
async def test_tones_in_the_voice_are_kept_from_the_agent_too(folder: Path) -> None:
    """The debtor's phone sends no events, and the well-known Payments resource leads."""
    listening = {"SOLDE_MEDIA__IN_BAND": "on"}
    async with (
        a_line(folder, SOLDE_NUMBERS=TO_AGENT, **listening) as line,
        a_debtor(line, folder) as debtor,
    ):
        await debtor.call(NUMBERS["fr"])
        await line.joined()
        payments = Payments(line)
        answer = await payments.create("42.50")
        assert answer.status_code == 201, answer.text
        for step, keys in (
            (Step.CARD_NUMBER, VISA),
            (Step.EXPIRATION_DATE, EXPIRY),
            (Step.SECURITY_CODE, CODE),
        ):
            await line.asked_for(step)
            await debtor.press(keys, press_ms=80, gap_ms=100, tones="in-band")
        await line.asked_for(Step.CONFIRM)
        answer = await payments.update(Status="complete")
        assert answer.status_code == 202, answer.text
        await line.paid(4250)
        await line.heard_nothing()


@alongside
async def test_the_agent_has_the_debtor_called_and_stays_on_the_line(folder: Path) -> None:
    async with (
        a_line(folder) as line,
        await Phone.start(
            line.stage.registrar, "debtor", PHONE_PASSWORD, record=folder / "debtor.wav"
        ) as debtor,
    ):
        await debtor.register()
        debtor.take_calls()
        answer = await line.client.post(
            "/api/v1/calls",
            json={
                "phone": "agent",
                "number": "debtor",
                "language": "fr",
                "reference": REFERENCE,
            },
        )
        told = answer.raise_for_status().json()
        await line.joined()
        assert (line.transaction, line.call) == (told["transaction_id"], told["call_id"])
        [started] = line.log.all(EventType.CALL_STARTED)
        assert started["data"]["direction"] == "outbound"
        assert await line.command("start-capture") == "done"
        await line.asked_for(Step.CARD_NUMBER)
        await debtor.press(VISA)
        await line.asked_for(Step.EXPIRATION_DATE)
        # What is left is keyed alone.
        assert await line.command("hand-over") == "done"
        await line.heard_nothing(is_over=True)
        await line.log.wait_for(EventType.PROMPT_PLAYED, step=Step.EXPIRATION_DATE)
        await debtor.press(EXPIRY)
        await line.log.wait_for(EventType.PROMPT_PLAYED, step=Step.SECURITY_CODE)
        await debtor.press(CODE)
        await line.log.wait_for(EventType.PROMPT_PLAYED, step=Step.CONFIRM)
        await debtor.press("1")
        ended = await line.log.wait_for(EventType.TRANSACTION_ENDED)
        assert ended["data"]["result"] == Result.SUCCESS


@alongside
async def test_what_looks_for_keys_finds_one_that_is_pressed_in_a_talk(folder: Path) -> None:
    """Without a capture a tone in the voice is heard: so the other tests prove something."""
    async with (
        a_line(folder, SOLDE_NUMBERS=TO_AGENT) as line,
        a_debtor(line, folder) as debtor,
    ):
        await debtor.call(NUMBERS["fr"])
        await line.joined()
        await debtor.press("6666", press_ms=200, tones="in-band")
        await line.agent.hang_up()
        assert heard_digits(line.recording) > 0
        heard, _ = soundfile.read(line.recording, dtype="int16")
        assert loudest_of_a_keypad(heard) > -30


def loudest_of_a_keypad(samples: Any) -> float:
    """Return the highest level, in dBm0, that 20 ms have at a frequency of the keypad."""
    pieces = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[:: FRAME // 2]
    window = np.hanning(FRAME + 2)[1:-1] * (4 / (FRAME + 1))
    points = 8 * FRAME
    bins = np.rint(np.array((*LOW, *HIGH)) * points / RATE).astype(int)
    highest = np.abs(np.fft.rfft(pieces * window, points)[:, bins]).max()
    return float(20 * np.log10(max(highest, 1e-9) / ZERO_DBM0))


class Payments:
    """A program that was written for the well-known resource."""

    def __init__(self, line: Line) -> None:
        self._client = line.client
        self._auth = httpx.BasicAuth("AC1", line.stage.token)
        self._address = f"/2010-04-01/Accounts/AC1/Calls/{line.call}/Payments"
        self._sid = ""

    async def create(self, amount: str) -> httpx.Response:
        form = {
            "IdempotencyKey": "one",
            "StatusCallback": "http://127.0.0.1:9/told",
            "ChargeAmount": amount,
            "Currency": "eur",
        }
        answer = await self._client.post(f"{self._address}.json", data=form, auth=self._auth)
        self._sid = answer.json().get("sid", "")
        return answer

    async def update(self, **more: str) -> httpx.Response:
        form = {"IdempotencyKey": "two", "StatusCallback": "http://127.0.0.1:9/told", **more}
        return await self._client.post(
            f"{self._address}/{self._sid}.json", data=form, auth=self._auth
        )
