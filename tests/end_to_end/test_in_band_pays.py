"""A phone that sends its keys as nothing but sound pays; a phone that nobody here wrote."""

from pathlib import Path

from ivr.demo.stage import Stage
from ivr.vocabulary import EventType, Result
from tests.end_to_end.debtor import AMOUNT, Debtor
from tests.end_to_end.event_log import EventLog
from tests.end_to_end.side_by_side import alongside


class Whistler(Debtor):
    """Presses every key as tones in the audio (ITU-T Q.23), and never sends an event."""

    async def press(self, keys: str) -> None:
        """Press `keys` while the prompts are playing, as fast as none is taken to bounce."""
        await self._phone.press(keys, press_ms=60, gap_ms=100, tones="in-band")


@alongside
async def test_in_band_tones_alone_pay(folder: Path) -> None:
    listening = {"SOLDE_MEDIA__IN_BAND": "auto"}
    async with Stage(folder / "stage", listening) as stage, EventLog(stage) as log:
        async with await Whistler.start(stage, log, folder) as debtor:
            await debtor.call()
            await debtor.answer()
            assert await debtor.result() == Result.SUCCESS
            await debtor.is_hung_up()
        (paid,) = log.all(EventType.PAYMENT_SUCCEEDED, call_id=debtor.call_id)
        assert paid["data"]["amount"] == AMOUNT
        assert log.all(EventType.ENTRY_ERROR, call_id=debtor.call_id) == []
