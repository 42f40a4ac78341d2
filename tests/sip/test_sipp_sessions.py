"""SIPp changes, refreshes, transfers and replaces calls, and has it done to its own."""

import asyncio
from pathlib import Path
from typing import Any

from twisted.internet import reactor

from ivr.sip import Address, CallEnd, IncomingCall, UserAgent, listen
from ivr.sip.referral import Referral
from ivr.sip.transfer import TransferResult
from tests.sip.peers import Party
from tests.sip.wire import ANSWER, OFFER

HERE = Path(__file__).parent
CALLS = 20


class Owner(Party):
    """The application's side, which knows its call."""

    call: IncomingCall


class Early(Owner):
    """Lets its caller hear something first, and answers when that was confirmed."""

    def begin(self) -> None:
        self.call.progress(ANSWER)

    def progress_acknowledged(self, body: bytes) -> None:
        super().progress_acknowledged(body)
        self.call.answer()


class Answers(Owner):
    """Answers at once."""

    def begin(self) -> None:
        self.call.answer(ANSWER)


class Changes(Answers):
    """Changes the session, refreshes it, and leaves."""

    def acknowledged(self, body: bytes) -> None:
        super().acknowledged(body)
        changed = self.call.renegotiate(lambda: OFFER)
        changed.addCallback(lambda answer: self.heard.append(("changed", bool(answer))))
        changed.addCallback(lambda _: self.call.update())
        changed.addCallback(lambda _: self.call.hang_up())


class Transfers(Answers):
    """Transfers the caller, and leaves when the target has answered."""

    def acknowledged(self, body: bytes) -> None:
        super().acknowledged(body)
        self.call.transfer(
            "sip:agent@example.com",
            on_progress=lambda status, _: self.heard.append(("progress", status)),
        ).addCallback(self._transferred)

    def _transferred(self, result: TransferResult) -> None:
        self.heard.append(("transferred", result.status))
        self.call.hang_up()


class Transferred(Answers):
    """Tells how the call goes that it was asked to make."""

    def referred(self, referral: Referral) -> None:
        super().referred(referral)
        referral.progress(180)
        referral.finish(200)


async def calls_of(scenario: str, owner: type[Any], folder: Path, *options: str) -> list[Owner]:
    """Run SIPp against a user agent until all is idle; return the calls' owners."""
    owners: list[Owner] = []

    def on_call(call: IncomingCall) -> None:
        call.handler = one = owner()
        one.call = call
        owners.append(one)
        one.begin()

    transport, port, local = listen(reactor, Address("127.0.0.1", 0))
    agent = UserAgent(reactor, transport, local=local, on_call=on_call)
    transport.received = agent.datagram_received
    loop = asyncio.get_running_loop()
    try:
        process = await asyncio.create_subprocess_exec(
            "sipp",
            f"{local.host}:{local.port}",
            *("-sf", str(HERE / scenario), "-i", "127.0.0.1", "-nostdin"),
            *("-m", str(CALLS), "-r", "20", "-timeout", "40s", "-timeout_error", *options),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode("latin-1")[-4000:]
        await agent.when_idle().asFuture(loop)
    finally:
        agent.close()
        closed = port.stopListening()
        if closed is not None:
            await closed.asFuture(loop)
    return owners


def heard(owners: list[Owner]) -> list[tuple[str, object]]:
    """Return what all of them heard, which is the same."""
    first = owners[0].heard
    assert [one.heard for one in owners] == [first] * len(owners)
    return first


async def test_early_media_a_key_and_a_refresh(tmp_path: Path) -> None:
    owners = await calls_of("uac_early.xml", Early, tmp_path)
    assert len(owners) == CALLS
    [early, up, key, renegotiated, end] = heard(owners[:1])
    assert [early, up] == [("progress acknowledged", b""), ("acknowledged", b"")]
    assert key == ("info", ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"))
    assert renegotiated[0] == "renegotiated"
    assert end == ("ended", CallEnd.HUNG_UP_BY_PEER)


async def test_a_change_of_ours_that_crosses_theirs(tmp_path: Path) -> None:
    owners = await calls_of("uac_changed.xml", Changes, tmp_path)
    assert len(owners) == CALLS
    assert heard(owners) == [
        ("acknowledged", b""),
        ("changed", True),
        ("ended", CallEnd.HUNG_UP_BY_US),
    ]


async def test_we_transfer(tmp_path: Path) -> None:
    owners = await calls_of("uac_transferred.xml", Transfers, tmp_path)
    assert len(owners) == CALLS
    assert heard(owners) == [
        ("acknowledged", b""),
        ("progress", 180),
        ("transferred", 200),
        ("ended", CallEnd.HUNG_UP_BY_US),
    ]


async def test_we_are_transferred(tmp_path: Path) -> None:
    owners = await calls_of("uac_transfers.xml", Transferred, tmp_path)
    assert len(owners) == CALLS
    [referral] = owners[0].referrals
    assert referral.target.uri_text == "sip:agent@example.com"
    assert referral.referred_by is not None
    assert heard(owners)[-1] == ("ended", CallEnd.HUNG_UP_BY_PEER)


async def test_a_second_call_replaces_the_first(tmp_path: Path) -> None:
    owners = await calls_of("uac_replaces.xml", Answers, tmp_path)
    assert len(owners) == 2 * CALLS
    ends = [end for one in owners for end in one.ends]
    assert ends.count(CallEnd.REPLACED) == ends.count(CallEnd.HUNG_UP_BY_PEER) == CALLS
