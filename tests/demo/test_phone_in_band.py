"""The independent phone dials by tones in its audio, which pyVoIP makes of 8-bit sound."""

from pathlib import Path

from ivr.sip import CallEnd
from tests.demo.test_phone import CARD, phone_at_server


async def test_its_tones_arrive_exactly_though_events_were_negotiated(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, server):
        await phone.register()
        await phone.call()
        call = await server.next_call()
        assert call.leg.negotiated is not None
        assert call.leg.negotiated.receive_event is not None
        assert await phone.press(CARD, tones="in-band") == len(CARD)
        assert await call.keyed(len(CARD)) == CARD
        keys = "11**99##"
        assert await phone.press(keys, press_ms=60, gap_ms=60, tones="in-band") == len(keys)
        assert await call.keyed(len(CARD) + len(keys)) == CARD + keys
        await phone.hang_up()
        assert await call.end() is CallEnd.HUNG_UP_BY_PEER


async def test_once_it_sends_events_its_tones_are_left_aside(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, server):
        await phone.register()
        await phone.call()
        call = await server.next_call()
        await phone.press("12", tones="in-band")
        await phone.press("34")
        await phone.press("56", tones="in-band")
        await phone.press("78")
        assert await call.keyed(6) == "123478"
        await phone.hang_up()
