"""The callers of the end-to-end tests, proved against a small server of our own parts."""

import asyncio
from pathlib import Path

import pytest

from ivr.sip import CallEnd
from tests.demo.small_server import AnsweredCall, SmallServer
from tests.end_to_end.baresip import Baresip, BaresipError
from tests.end_to_end.keypad_pcap import Impairment, keypad_pcap
from tests.end_to_end.sipp import BUSY, PAY, SETUP, run_sipp

CALLS = 6


async def test_sipp_keys_another_capture_in_each_call(tmp_path: Path) -> None:
    bad = Impairment(lost=0.2, repeated=0.2, reordered=0.2, seed=7)
    scripts = [f"{n:04d}4242424242424242#" for n in range(CALLS)]
    pcaps = [
        keypad_pcap(
            tmp_path / f"{n}.pcap",
            [(0.2, keys)],
            press_ms=60,
            impairment=bad,
            audio=False,
            seed=n,
        )
        for n, keys in enumerate(scripts)
    ]
    async with SmallServer() as server:
        hanging_up = [asyncio.ensure_future(hang_up_after_hash(server)) for _ in scripts]
        result = await run_sipp(
            PAY, server.target, directory=tmp_path, number="0801", calls=CALLS, pcaps=pcaps
        )
        keyed = await asyncio.gather(*hanging_up)
    assert (result.exit_code, result.succeeded, result.failed) == (0, CALLS, 0), result.errors
    assert sorted(keyed) == scripts


async def hang_up_after_hash(server: SmallServer) -> str:
    call = await server.next_call()
    while not call.keys.endswith("#"):
        await call.keyed(len(call.keys) + 1)
    assert call.call.called == "0801"
    call.call.hang_up()
    return call.keys


async def test_sipp_fails_a_payment_call_that_the_server_does_not_end(tmp_path: Path) -> None:
    impatient = tmp_path / "impatient.xml"
    impatient.write_text(PAY.read_text().replace('timeout="120000"', 'timeout="200"'))
    pcap = keypad_pcap(tmp_path / "silent.pcap", [], tail_ms=40)
    async with SmallServer() as server:
        result = await run_sipp(
            impatient, server.target, directory=tmp_path, pcaps=[pcap], within=20
        )
    assert (result.exit_code, result.succeeded, result.failed) == (1, 0, 1)
    assert result.count("FailedTimeoutOnRecv(C)") == 1


async def test_sipp_sets_calls_up_and_ends_them(tmp_path: Path) -> None:
    async with SmallServer() as server:
        result = await run_sipp(SETUP, server.target, directory=tmp_path, calls=20, rate=100)
        assert (result.exit_code, result.succeeded) == (0, 20), result.errors
        calls = [await server.next_call() for _ in range(20)]
        assert {await call.end() for call in calls} == {CallEnd.HUNG_UP_BY_PEER}


async def test_sipp_knows_a_server_that_takes_no_calls(tmp_path: Path) -> None:
    async with SmallServer() as server:
        result = await run_sipp(BUSY, server.target, directory=tmp_path)
        assert (result.exit_code, result.failed) == (1, 1), "a call that is answered fails it"
        server.agent.drain(retry_after=30)
        result = await run_sipp(BUSY, server.target, directory=tmp_path, calls=3)
        assert (result.exit_code, result.succeeded) == (0, 3), result.errors


async def test_baresip_registers_and_keys_exactly(tmp_path: Path) -> None:
    async with (
        SmallServer(agent="secret") as server,
        await Baresip.start(
            tmp_path, server.target, user="agent", password="secret", register=True
        ) as baresip,
    ):
        assert len(server.registrar.bindings("agent")) == 1
        await baresip.call("0801")
        call = await server.next_call()
        await baresip.press("1100*#")
        assert await call.keyed(6) == "1100*#"
        await baresip.hang_up()
        assert await call.end() is CallEnd.HUNG_UP_BY_PEER
        assert await hung_up_by_server(server, baresip) is CallEnd.HUNG_UP_BY_US


async def hung_up_by_server(server: SmallServer, baresip: Baresip) -> CallEnd:
    await baresip.call("0802")
    call: AnsweredCall = await server.next_call()
    async with asyncio.timeout(20):
        await call.confirmed.wait()
    call.call.hang_up()
    await baresip.wait_for("CALL_CLOSED")
    return await call.end()


async def test_baresip_tells_what_was_refused(tmp_path: Path) -> None:
    async with SmallServer(agent="secret") as server:
        # It goes on trying the same password until it is told to stop.
        with pytest.raises(BaresipError, match="not registered: 503 Too Many Failed Logins"):
            await Baresip.start(
                tmp_path, server.target, user="agent", password="wrong", register=True
            )
        server.agent.drain(retry_after=30)
        async with await Baresip.start(tmp_path, server.target) as baresip:
            with pytest.raises(BaresipError, match="503"):
                await baresip.call("0801")
