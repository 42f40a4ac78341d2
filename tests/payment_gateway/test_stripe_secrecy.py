"""No card detail leaves by a log, an exception, a traceback's frames, or the fake itself."""

import asyncio
import logging
import traceback
from collections.abc import Mapping

import pytest

from payment_gateway.interface import GatewayError
from payment_gateway.results import Outcome
from payment_gateway.stripe_http import HttpClient
from tests.fakes.stripe_api import RunningStripe
from tests.payment_gateway.bench import ask_for, card
from tests.payment_gateway.stripe_bench import StripeBench

# Put together here, so that no frame of a test holds them as one text.
GROUPS = ("4000", "0025", "0000", "1001")
CODE = 9 * 100 + 18


def shown(text: str) -> list[str]:
    """Return which of the card's details `text` shows."""
    squeezed = text.replace(" ", "").replace("\\x", "")
    found = [part for part in ("".join(GROUPS), "".join(GROUPS)[::-1]) if part in squeezed]
    return found + [part for part in (f"'{CODE}'", f'"{CODE}"', f"={CODE}") if part in text]


def rendered(error: BaseException) -> str:
    """Return the traceback as the most talkative reporter would, with all frames' locals."""
    return "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )


def leak() -> None:
    secret = "".join(GROUPS)
    raise LookupError(len(secret))


def test_the_reporter_would_show_a_leak() -> None:
    with pytest.raises(LookupError) as caught:
        leak()
    assert shown(rendered(caught.value))


@pytest.mark.parametrize("wrong", ["key", "raw_cards", "moto", "amount", "reused"])
async def test_an_error_carries_nothing_of_the_request(
    stripe: RunningStripe, wrong: str
) -> None:
    bench = StripeBench(stripe, api_key="sk_test_wrong" if wrong == "key" else "")
    bench.account.raw_cards = wrong != "raw_cards"
    bench.account.moto = wrong != "moto"
    request = ask_for("a")
    if wrong == "amount":
        request = ask_for("a", type(request.money)(1, "EUR"))
    if wrong == "reused":
        await bench.gateway.purchase(request, card("5555555555554444"))
    with pytest.raises(GatewayError) as caught, card("".join(GROUPS), b"918") as sealed:
        await bench.gateway.purchase(request, sealed)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert shown(rendered(caught.value)) == []
    assert shown(str(caught.value)) == []
    await bench.gateway.close()


class Broken(HttpClient):
    """Holds the form it is given in its frame, and fails or waits."""

    def __init__(self, fault: BaseException | None) -> None:
        super().__init__(timeout=1)
        self.fault = fault
        self.holding = asyncio.get_running_loop().create_future()

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        self.holding.set_result("".join(GROUPS) in (post_data or ""))
        if self.fault is not None:
            raise self.fault
        await asyncio.get_running_loop().create_future()
        raise AssertionError("waited for ever")


async def put(bench: StripeBench, broken: Broken) -> None:
    await bench.gateway.close()
    bench.gateway._api._stripe._requestor._client = broken
    bench.gateway._api._http = broken


async def test_a_bug_while_the_card_is_sent_stays_inside(bench: StripeBench) -> None:
    broken = Broken(RuntimeError("bug"))
    await put(bench, broken)
    result = await bench.gateway.purchase(ask_for("a"), card("".join(GROUPS), b"918"))
    assert await broken.holding
    assert (result.outcome, result.raw) == (Outcome.NOT_CHARGED, {"bug": "RuntimeError"})
    assert broken.fault is not None


async def test_a_cancelled_purchase_takes_no_frame_of_the_request_along(
    bench: StripeBench,
) -> None:
    broken = Broken(None)
    await put(bench, broken)
    purchase = asyncio.ensure_future(
        bench.gateway.purchase(ask_for("a"), card("".join(GROUPS), b"918"))
    )
    assert await broken.holding
    purchase.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await purchase
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert not any("request_async" in frame.name for frame in frames.stack)
    assert shown(rendered(caught.value)) == []


async def test_logs_at_debug_level_and_output_show_no_card(
    bench: StripeBench, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    await bench.gateway.purchase(ask_for("a"), card("".join(GROUPS), b"918"))
    out, err = capfd.readouterr()
    assert len(bench.charges()) == 1
    assert shown(caplog.text + out + err) == []
    assert "sk_test" not in caplog.text + out + err


async def test_the_fake_keeps_no_card(bench: StripeBench) -> None:
    await bench.gateway.purchase(ask_for("a"), card("".join(GROUPS), b"918"))
    assert shown(repr(bench.account)) == []
    assert "card" not in dict(bench.account.seen)["POST /v1/payment_methods"]
