"""Each layer fails while it holds the card, in words that show it: no log line repeats them."""

import asyncio
import gc
import io
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import structlog
from twisted.logger import ILogObserver, globalLogPublisher

from ivr.calls import unhandled
from ivr.calls.cashier import CashDesk
from ivr.calls.telephone_line import TelephoneLine
from ivr.demo.search import disguises
from ivr.journey.conversation import Conversation
from ivr.journey.payment import PaymentJourney
from ivr.journey.sealed_card import SealedCard
from ivr.keypad.capture import FieldCapture
from ivr.ledger.journal import Journal
from ivr.ledger.writer import LedgerWriter
from ivr.logs import configure
from ivr.media.telephone_event import TelephoneEvents
from ivr.settings import Settings, SilenceSettings
from ivr.vocabulary import Result, Step
from payment_gateway.interface import Gateway
from payment_gateway.sandbox import SandboxGateway
from payment_gateway.stripe_gateway import StripeGateway
from payment_gateway.stripe_http import HttpClient
from tests.end_to_end.debtor import Answers
from tests.end_to_end.whole_call import reactor, whole_call
from tests.fakes.stripe_api import running_stripe

NUMBER, CODE, EXPIRY = "378282246310005", "0739", "0931"
KEYED = Answers(card=NUMBER, code=CODE, expiry=EXPIRY)
SHORT = Answers(card=NUMBER, code=CODE[:-1], expiry=EXPIRY)


class SpiltError(Exception):
    """A fault whose message shows the card."""

    def __init__(self) -> None:
        super().__init__(f"{NUMBER} {EXPIRY} {CODE}", NUMBER[::-1])
        self.add_note(CODE)


def spill(*_: object, **__: object) -> Any:
    number, code = NUMBER, CODE
    raise SpiltError from ValueError(number, code)


async def spill_later(*_: object, **__: object) -> Any:
    spill()


@dataclass(frozen=True)
class Fault:
    """Breaks a method: `instead` of its work, or after it where it has nothing to return."""

    kind: type
    name: str
    end: Result
    instead: Callable[..., Any] | None = None
    at: Step | None = None
    """Only while this field is being captured."""
    keyed: Answers = KEYED

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        original = getattr(self.kind, self.name)

        def broken(itself: Any, *arguments: Any, **named: Any) -> Any:
            if self.at is not None and itself._field.step is not self.at:
                return original(itself, *arguments, **named)
            if self.instead is not None:
                return self.instead()
            return original(itself, *arguments, **named) or spill()

        patch.setattr(self.kind, self.name, broken)


FAULTS = {
    "media packet": Fault(TelephoneEvents, "receive", Result.SUCCESS),
    "media key": Fault(TelephoneLine, "_key", Result.SUCCESS),
    "keypad digit": Fault(
        FieldCapture, "_report", Result.INTERNAL_ERROR, spill, Step.SECURITY_CODE
    ),
    "keypad silence": Fault(
        FieldCapture, "_judge", Result.INTERNAL_ERROR, spill, Step.SECURITY_CODE, SHORT
    ),
    "journey step": Fault(PaymentJourney, "_confirm", Result.INTERNAL_ERROR, spill_later),
    "journey card": Fault(SealedCard, "take", Result.INTERNAL_ERROR, spill),
    "journey progress": Fault(Conversation, "accompany", Result.INTERNAL_ERROR, spill),
    "cashier": Fault(CashDesk, "_purchase", Result.PENDING, spill_later),
    "ledger attempt": Fault(LedgerWriter, "begin_attempt", Result.INTERNAL_ERROR, spill_later),
    "ledger end": Fault(LedgerWriter, "finish_attempt", Result.SUCCESS, spill_later),
    "ledger journal": Fault(Journal, "_write", Result.INTERNAL_ERROR, spill_later),
    "sandbox": Fault(SandboxGateway, "_pay", Result.PENDING, spill_later),
    "stripe": Fault(HttpClient, "request_async", Result.PAYMENT_CONNECTOR_ERROR, spill_later),
}


@pytest.fixture(params=["json", "console"])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """All that the process would print, at the level that tells most."""
    style: Literal["json", "console"] = request.param
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    loop = reactor._asyncioEventloop
    configure("debug", style, stream)
    observer = cast("ILogObserver", unhandled.of_twisted)
    globalLogPublisher.addObserver(observer)
    loop.set_exception_handler(unhandled.of_asyncio)
    yield stream
    loop.set_exception_handler(None)
    globalLogPublisher.removeObserver(observer)
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("layer", FAULTS)
async def test_a_fault_of_a_layer_shows_no_card(
    layer: str, tmp_path: Path, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = FAULTS[layer]
    with running_stripe() as stripe:
        gateway: Gateway = SandboxGateway(tmp_path / "book.db")
        if layer == "stripe":
            gateway = StripeGateway(stripe.account.api_key, api_base=stripe.url)
        fault.apply(monkeypatch)
        async with whole_call(tmp_path, gateway, quick()) as call:
            call.call()
            answering = asyncio.ensure_future(call.answer(fault.keyed))
            assert await call.result() is fault.end
            answering.cancel()
            monkeypatch.undo()
    gc.collect()
    text = log.getvalue()
    assert SpiltError.__name__ in text or layer == "stripe", text
    assert shown(text) == []


async def test_a_fault_that_nobody_catches_shows_no_card(log: io.StringIO) -> None:
    reached = asyncio.Event()

    def timer() -> None:
        asyncio.get_running_loop().call_soon(reached.set)
        spill()

    reactor.callLater(0, timer)
    asyncio.get_running_loop().call_soon(spill)
    lost = asyncio.ensure_future(spill_later())
    await asyncio.wait([lost])
    del lost
    await reached.wait()
    gc.collect()
    text = log.getvalue()
    assert text.count(SpiltError.__name__) == 3, text
    assert shown(text) == []


def test_the_search_would_find_it() -> None:
    assert shown(f"a line with {CODE}") == [CODE]
    assert shown(f"{EXPIRY} and {NUMBER[::-1]}") == [NUMBER[::-1], EXPIRY]


def quick() -> Settings:
    """Return settings under which a silence of a tenth of a second ends an entry."""
    settings = Settings()
    timeouts = settings.keypad.timeouts.model_copy(
        update={"security_code": SilenceSettings(first=10, between=0.1)}
    )
    keypad = settings.keypad.model_copy(update={"timeouts": timeouts})
    return settings.model_copy(update={"keypad": keypad})


def shown(text: str) -> list[str]:
    """Return what of the card is in `text`: the number in any form, the others as they are."""
    forms = [form.decode("latin-1") for form in disguises(NUMBER)]
    found = [form for form in forms if form in text]
    # A moment's microseconds may hold four digits by chance, but among others.
    return found + [
        secret
        for secret in (CODE, EXPIRY)
        if re.search(rf"(?<![0-9]){secret}(?![0-9])", text) is not None
    ]
