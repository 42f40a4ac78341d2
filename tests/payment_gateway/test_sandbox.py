import asyncio
import itertools
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payment_gateway.brands import luhn_valid
from payment_gateway.card import Card
from payment_gateway.interface import UnsupportedOperationError, WebhookRefusedError
from payment_gateway.results import DeclineCode, Money, Outcome
from payment_gateway.sandbox import SandboxGateway
from payment_gateway.sandbox_cards import SANDBOX_CARDS
from payment_gateway.sandbox_webhooks import read_webhook
from tests.payment_gateway.bench import AMOUNT, CODE, EXPIRY, Wall, ask_for, card

SLOW, SILENT, LOST = "4000000000007304", "4000000000007403", "4000000000007502"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "book.sqlite"


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def sandbox(book: Path, slept: list[float]) -> Iterator[SandboxGateway]:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    made = SandboxGateway(book, slow_seconds=7, no_answer_seconds=30, sleep=sleep)
    yield made
    made.book.close()


@pytest.mark.parametrize(
    ("number", "seconds", "outcome"),
    [
        ("4242424242424242", [], Outcome.SUCCEEDED),
        (SLOW, [7], Outcome.SUCCEEDED),
        (SILENT, [30], Outcome.UNKNOWN),
        (LOST, [30], Outcome.UNKNOWN),
        ("4000000000007601", [7], Outcome.DECLINED),
    ],
)
async def test_the_card_says_how_long_the_answer_takes(
    sandbox: SandboxGateway,
    slept: list[float],
    number: str,
    seconds: list[float],
    outcome: Outcome,
) -> None:
    assert (await sandbox.purchase(ask_for("a"), card(number))).outcome is outcome
    assert slept == seconds


async def test_a_slow_cards_charge_is_in_the_book_before_the_wait(book: Path) -> None:
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def sleep(seconds: float) -> None:
        asked.set_result(seconds)
        await waiting

    sandbox = SandboxGateway(book, sleep=sleep)
    purchase = asyncio.ensure_future(sandbox.purchase(ask_for("a"), card(SLOW)))
    await asked
    assert (await sandbox.inquire("a")).outcome is Outcome.SUCCEEDED
    purchase.cancel()
    with pytest.raises(asyncio.CancelledError):
        await purchase
    assert sandbox.book.charges() == (("a", AMOUNT),)
    await sandbox.close()


DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from payment_gateway.card import Card
from payment_gateway.interface import PaymentRequest
from payment_gateway.results import Money
from payment_gateway.sandbox import SandboxGateway

async def die(seconds):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    sandbox = SandboxGateway(Path(sys.argv[1]), sleep=die)
    card = Card(bytearray(sys.argv[2].encode()), bytearray(b"1239"), bytearray(b"737"))
    await sandbox.purchase(PaymentRequest("killed", Money(500, "EUR")), card)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (SLOW, Outcome.SUCCEEDED),
        (LOST, Outcome.SUCCEEDED),
        (SILENT, Outcome.NOT_CHARGED),
    ],
)
async def test_the_book_outlives_a_killed_process(
    book: Path, number: str, outcome: Outcome
) -> None:
    died = subprocess.run([sys.executable, "-c", DYING, str(book), number], check=False)  # noqa: ASYNC221
    assert died.returncode == -signal.SIGKILL
    after = SandboxGateway(book)
    asked = await after.inquire("killed")
    again = await after.purchase(ask_for("killed", Money(500, "EUR")), card(number))
    assert asked.outcome is again.outcome is outcome
    assert len(after.book.charges()) == (1 if outcome is Outcome.SUCCEEDED else 0)
    await after.close()


async def test_the_book_holds_nothing_of_a_card_but_brand_and_last_four(
    sandbox: SandboxGateway, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A random reference would hold any three digits sooner or later.
    letters = (uuid.UUID(hex="a" * 29 + f"{number:03}") for number in itertools.count(1))
    monkeypatch.setattr(uuid, "uuid4", lambda: next(letters))
    for index, number in enumerate(SANDBOX_CARDS):
        await sandbox.purchase(ask_for(f"a-{index}"), card(number))
        await sandbox.store(card(number), f"s-{index}")
    await sandbox.close()
    kept = b"".join(path.read_bytes() for path in book.parent.iterdir())
    assert b"visa" in kept
    for number in SANDBOX_CARDS:
        assert number.encode() not in kept
        assert number[-8:].encode() not in kept
    assert EXPIRY not in kept
    assert CODE not in kept


@pytest.mark.parametrize(
    ("expiry", "code", "refusal"),
    [
        (b"0120", b"737", DeclineCode.INVALID_EXPIRY),
        (b"1239", b"7373", DeclineCode.INCORRECT_CVC),
    ],
)
async def test_a_card_that_cannot_be_right_is_declined(
    sandbox: SandboxGateway, expiry: bytes, code: bytes, refusal: DeclineCode
) -> None:
    wrong = Card(bytearray(b"4242424242424242"), bytearray(expiry), bytearray(code))
    result = await sandbox.purchase(ask_for("a"), wrong)
    assert (result.outcome, result.code) == (Outcome.DECLINED, refusal)


async def test_a_card_is_good_to_the_end_of_its_month(book: Path) -> None:
    wall = Wall()
    sandbox = SandboxGateway(book, now=wall)
    expiry = bytearray(f"{wall():%m%y}".encode())
    good = Card(bytearray(b"4242424242424242"), expiry, bytearray(CODE))
    assert (await sandbox.purchase(ask_for("a"), good)).outcome is Outcome.SUCCEEDED
    wall.advance(32 * 24 * 3600)
    late = await sandbox.purchase(ask_for("b"), good)
    assert late.code is DeclineCode.INVALID_EXPIRY
    await sandbox.close()


def test_every_number_of_the_table_is_one_a_caller_can_key() -> None:
    mistyped = [number for number in SANDBOX_CARDS if not luhn_valid(number.encode())]
    assert [SANDBOX_CARDS[number].refusal for number in mistyped] == ["incorrect_number"]


async def test_two_processes_on_one_book_charge_a_key_once(book: Path) -> None:
    one, two = SandboxGateway(book), SandboxGateway(book)
    first = await one.purchase(ask_for("a"), card())
    second = await two.purchase(ask_for("a"), card())
    assert first == second
    assert one.book.charges() == two.book.charges() == (("a", AMOUNT),)
    await one.close()
    await two.close()


async def test_webhooks_need_a_secret(sandbox: SandboxGateway) -> None:
    with pytest.raises(UnsupportedOperationError, match="webhook_secret"):
        sandbox.parse_webhook(b"{}", {})


@settings(deadline=None)
@given(st.binary(max_size=60), st.text(max_size=60))
def test_any_forged_webhook_is_refused(body: bytes, signature: str) -> None:
    with pytest.raises(WebhookRefusedError):
        read_webhook(body, {"Solde-Sandbox-Signature": signature}, "secret", Wall()())
