"""SIPp transfers us and is transferred, and reads what is said of it."""

import asyncio
from pathlib import Path

import pytest

from ivr.sip import CallEnd, IncomingCall, TransferEnd
from ivr.sip.transfer import TransferResult
from tests.sip.sipp_script import (
    ack,
    answered,
    asked,
    bye,
    check,
    invite,
    run,
    user_agent,
)
from tests.sip.sipp_uas import pause, recv, send
from tests.sip.test_sipp_dialogs import UP
from tests.sip.test_sipp_dialogs import called as called_by
from tests.sip.test_sipp_sessions import Answers, Transferred
from tests.sip.wire import Recorder

BYE_US = [recv("BYE"), send("200 OK")]


def notified(fragment: str, state: str) -> list[str]:
    """Return steps that take a NOTIFY of a REFER with CSeq 2."""
    checks = (
        check("Event", "^ *refer;id=2 *$")
        + check("Subscription-State", state)
        + check("Content-Type", "message/sipfrag")
        + check("", f"SIP/2.0 {fragment}")
    )
    return [recv("NOTIFY", checks), send("200 OK")]


async def test_who_transfers_us_is_told_how_it_goes(tmp_path: Path) -> None:
    headers = (
        "Refer-To: <sip:agent@example.com?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>",
        "Referred-By: <sip:+3399@pbx.example>",
    )
    steps = [
        *UP,
        asked("REFER", 202, cseq=2, headers=headers),
        *notified("100 Trying", "^ *active;expires=180"),
        *notified("180 Ringing", "^ *active"),
        *notified("200 OK", "^ *terminated"),
        bye(3),
    ]
    [owner] = await called_by(steps, tmp_path, Transferred)
    [referral] = owner.referrals
    assert referral.replaces is not None
    assert (referral.replaces.call_id, referral.replaces.to_tag) == ("a", "b")
    assert referral.referred_by is not None
    assert referral.referred_by.uri_text == "sip:+3399@pbx.example"
    assert owner.ends == [CallEnd.HUNG_UP_BY_PEER]


async def test_who_does_not_want_to_be_told_is_not(tmp_path: Path) -> None:
    headers = ("Refer-To: <sip:agent@example.com>", "Refer-Sub: false", "Supported: norefersub")
    untold = asked("REFER", 202, check("Refer-Sub", "^ *false"), cseq=2, headers=headers)
    # A NOTIFY while SIPp only waits would fail its call.
    [owner] = await called_by([*UP, untold, pause(300), bye(3)], tmp_path, Transferred)
    assert len(owner.referrals) == 1


class NoTransfer(Answers):
    """Takes no transfer, as far as the call can tell."""

    def __init__(self) -> None:
        super().__init__()
        self.refer = lambda referral: referral.refuse(603)


async def test_who_may_not_transfer_us_is_told_so(tmp_path: Path) -> None:
    refer = ("Refer-To: <sip:agent@example.com>",)
    steps = [
        *UP,
        asked("REFER", 603, cseq=2, headers=refer),
        asked("REFER", 400, cseq=3, headers=(*refer, *refer)),
        bye(4),
    ]
    assert (await called_by(steps, tmp_path, NoTransfer))[0].ends == [CallEnd.HUNG_UP_BY_PEER]


class Sends(Answers):
    """Transfers the caller, and leaves as soon as the outcome is known."""

    result: TransferResult

    def acknowledged(self, body: bytes) -> None:
        super().acknowledged(body)
        sent = self.call.transfer("sip:agent@example.com", referred_by="sip:solde@pay.example")
        sent.addCallback(self._sent)

    def _sent(self, result: TransferResult) -> None:
        self.result = result
        self.call.hang_up()


def told(cseq: int, fragment: str, state: str) -> str:
    """Return steps that tell how a REFER goes."""
    lines = ("Event: refer", f"Subscription-State: {state}", "Content-Type: message/sipfrag")
    return asked("NOTIFY", 200, cseq=cseq, headers=lines, body=f"SIP/2.0 {fragment}\n")


REFER = recv(
    "REFER",
    check("Refer-To", "<sip:agent@example.com>")
    + check("Referred-By", "<sip:solde@pay.example>"),
)
TAKEN = [REFER, send("202 Accepted")]
OVER = "terminated;reason=noresource"
OUTCOMES = {
    "it is done": (
        [
            REFER,
            send("202 Accepted"),
            told(2, "180 Ringing", "active"),
            told(3, "200 OK", OVER),
        ],
        TransferResult(TransferEnd.SUCCEEDED, 200, "OK"),
    ),
    "the target is busy": (
        [*TAKEN, told(2, "486 Busy Here", OVER)],
        TransferResult(TransferEnd.FAILED, 486, "Busy Here"),
    ),
    "it is refused": (
        [REFER, send("405 Method Not Allowed")],
        TransferResult(TransferEnd.REFUSED, 405, "Method Not Allowed"),
    ),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_we_transfer_and_stay_until_it_is_known_how_that_went(
    tmp_path: Path, outcome: str
) -> None:
    steps, result = OUTCOMES[outcome]
    [owner] = await called_by([*UP, *steps, *BYE_US], tmp_path, Sends)
    assert isinstance(owner, Sends)
    assert (owner.result, owner.ends) == (result, [CallEnd.HUNG_UP_BY_US])


async def test_we_bring_two_together(tmp_path: Path) -> None:
    """The second caller is to take the place of our end of the call with the first."""
    calls: list[IncomingCall] = []
    results: list[TransferResult] = []
    up = asyncio.Event()

    class Brings(Recorder):
        def acknowledged(self, body: bytes) -> None:
            super().acknowledged(body)
            up.set()
            if len(calls) == 2:
                first, second = calls
                second.transfer(first).addCallback(results.append).addCallback(leave)

    def leave(_: object) -> None:
        for call in calls:
            call.hang_up()

    def on_call(call: IncomingCall) -> None:
        call.handler = Brings()
        calls.append(call)
        call.answer(b"v=0\r\n")

    whom = "<sip:debtor@[^?]*[?]Replaces=.*%3Bto-tag%3D.*%3Bfrom-tag%3D.*>"
    refer = [recv("REFER", check("Refer-To", whom)), send("202 Accepted")]
    async with user_agent(on_call) as agent:
        other = asyncio.ensure_future(
            run([invite(), answered(), ack(), *BYE_US], tmp_path / "first", agent.local)
        )
        await up.wait()
        await run(
            [*UP, *refer, told(2, "200 OK", OVER), *BYE_US], tmp_path / "second", agent.local
        )
        await other
    assert results == [TransferResult(TransferEnd.SUCCEEDED, 200, "OK")]
