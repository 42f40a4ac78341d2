"""A debtor who telephones with pyVoIP and keys each answer once it has been asked for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ivr.demo.phone_client import Phone
from ivr.demo.stage import NUMBERS, PHONE_PASSWORD, PHONE_USER, Stage
from ivr.vocabulary import EventType, Step
from tests.end_to_end.event_log import Event, EventLog

REFERENCE: Final = "20261234"
AMOUNT: Final = 12345
"""What the sample debts say of `REFERENCE`, in cents."""
VISA: Final = "4242424242424242"
ASKED: Final = (
    Step.REFERENCE,
    Step.AMOUNT,
    Step.READY,
    Step.CARD_NUMBER,
    Step.EXPIRATION_DATE,
    Step.SECURITY_CODE,
    Step.CONFIRM,
)
"""The steps that wait for keys, in their order."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a debtor keys."""

    reference: str = REFERENCE
    card: str = VISA
    expiry: str = "1230"
    code: str = "123"

    def to(self, step: Step) -> str:
        """Return the keys that answer `step`."""
        return {
            Step.REFERENCE: self.reference,
            Step.AMOUNT: "1",
            Step.READY: "#",
            Step.CARD_NUMBER: self.card,
            Step.EXPIRATION_DATE: self.expiry,
            Step.SECURITY_CODE: self.code,
            Step.CONFIRM: "1",
        }[step]


def users(*names: str) -> dict[str, str]:
    """Return the setting under which these phones may register."""
    listed = [{"name": name, "password": PHONE_PASSWORD} for name in names]
    return {"SOLDE_SIP__USERS": json.dumps(listed)}


class Debtor:
    """One phone in one call; an async context manager that ends both."""

    def __init__(self, phone: Phone, log: EventLog, user: str, answers: Answers) -> None:
        """Use `start`."""
        self._phone = phone
        self._log = log
        self._user = user
        self._answers = answers
        self.call_id = ""

    @classmethod
    async def start(
        cls,
        stage: Stage,
        log: EventLog,
        folder: Path,
        answers: Answers | None = None,
        user: str = PHONE_USER,
    ) -> Self:
        """Start a phone and register it; what it hears goes to `folder`."""
        record = folder / f"{user}.wav"
        phone = await Phone.start(stage.registrar, user, PHONE_PASSWORD, record=record)
        try:
            await phone.register()
        except BaseException:
            await phone.close()
            raise
        return cls(phone, log, user, answers or Answers())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._phone.close()

    async def call(self) -> None:
        """Call the French payment number."""
        before = len(self._log.all(EventType.CALL_STARTED, caller=self._user))
        await self._phone.call(NUMBERS["fr"])
        started = await self._log.wait_for(
            EventType.CALL_STARTED, caller=self._user, count=before + 1
        )
        self.call_id = started["call_id"]

    async def answer(self, steps: Sequence[Step] = ASKED) -> None:
        """Key the answer to each of `steps` when it has begun to ask.

        The reference is keyed into the greeting, which is long.
        """
        for step in steps:
            await self.hears(Step.WELCOME if step is Step.REFERENCE else step)
            await self.press(self._answers.to(step))

    async def press(self, keys: str) -> None:
        """Press `keys`, as fast as no key can be taken for one that bounces."""
        await self._phone.press(keys, press_ms=60, gap_ms=100)

    async def hears(self, step: Step, prompt: str | None = None) -> Event:
        """Wait until a prompt of `step` has begun, or this very one."""
        wanted: dict[str, Any] = {"call_id": self.call_id, "step": step}
        if prompt is not None:
            wanted["prompt"] = prompt
        return await self._log.wait_for(EventType.PROMPT_PLAYED, **wanted)

    async def result(self) -> str:
        """Return how the transaction of the call has ended, once it has."""
        ended = await self._log.wait_for(EventType.TRANSACTION_ENDED, call_id=self.call_id)
        result: str = ended["data"]["result"]
        return result

    async def hang_up(self) -> None:
        """End the call."""
        await self._phone.hang_up()

    async def is_hung_up(self) -> None:
        """Wait until the other side has ended the call."""
        await self._phone.wait_for("hung-up", within=60)
