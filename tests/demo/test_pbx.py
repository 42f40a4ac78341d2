"""The demo's exchange connects extensions, goes outside, and transfers blindly."""

from pathlib import Path

import pytest

from ivr.demo.pbx_client import PbxError, PbxProcess
from ivr.demo.phone_client import Phone
from tests.demo.small_server import SmallServer

PASSWORDS = {"100": "of the debtor", "200": "of the agent"}


async def test_an_agent_takes_a_call_and_transfers_it_outside(tmp_path: Path) -> None:
    async with (
        SmallServer() as server,
        await PbxProcess.start(server.target, PASSWORDS) as pbx,
        await Phone.start(
            pbx.target, "100", PASSWORDS["100"], record=tmp_path / "debtor.wav"
        ) as debtor,
        await Phone.start(
            pbx.target, "200", PASSWORDS["200"], record=tmp_path / "agent.wav"
        ) as agent,
    ):
        await debtor.register()
        await agent.register()
        agent.take_calls()
        await debtor.call("200")
        await agent.wait_for("answered")
        await pbx.transfer("200", f"sip:7912345678@{server.target}")
        outside = await server.next_call()
        assert outside.call.called == "7912345678"
        assert (await agent.wait_for("hung-up"))["by"] == "far"
        assert await debtor.press("42#") == 3
        assert await outside.keyed(3) == "42#"
        assert (await debtor.hang_up())["by"] == "near"
        await outside.end()


async def test_nobody_can_be_transferred_who_is_not_there(tmp_path: Path) -> None:
    async with await PbxProcess.start("127.0.0.1:9", PASSWORDS) as pbx:
        with pytest.raises(PbxError, match="nobody speaks with 200"):
            await pbx.transfer("200", "sip:x@127.0.0.1:9")
