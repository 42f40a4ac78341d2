"""How far an entry has come, as an event that tells how many digits and never which."""

from collections.abc import Callable

from ivr.journey.line import Recorder
from ivr.keypad.field import Progress
from ivr.ledger.details import EventDetail
from ivr.vocabulary import Capture, EventType, Step


def progress_of(record: Recorder, step: Step) -> Callable[[Capture, Progress], None]:
    """Return what takes the progress of a capture at `step` down."""

    def report(state: Capture, progress: Progress) -> None:
        detail = EventDetail(
            digits=progress.digits, brand=progress.brand, luhn=progress.luhn, capture=state
        )
        record(EventType.ENTRY_PROGRESS, step, detail)

    return report
