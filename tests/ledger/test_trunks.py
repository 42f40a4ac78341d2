"""The rows of trunks follow their events, and end with the node that told of them."""

from datetime import timedelta

import pytest

from ivr.ledger.database import Database
from ivr.ledger.details import EventDetail
from ivr.ledger.events import Event
from ivr.ledger.trunks import TrunkRow, read_trunks
from ivr.ledger.writer import LedgerWriter
from ivr.vocabulary import EventType
from tests.ledger.stage import NOON, Stage

_SECOND = timedelta(seconds=1)


def told(kind: EventType, second: int, trunk: str = "carrier") -> Event:
    return Event(kind, NOON + second * _SECOND, detail=EventDetail(trunk=trunk))


async def test_each_side_of_a_trunk_is_what_was_told_last(database: Database) -> None:
    stage = Stage(database)
    stage.writer.record(told(EventType.TRUNK_UP, 1))
    stage.writer.record(told(EventType.TRUNK_DOWN, 2))
    await stage.writer.flush()
    row = TrunkRow("node-1", "carrier", False, None, NOON + 2 * _SECOND)
    assert await read_trunks(database) == (row,)
    stage.writer.record(told(EventType.TRUNK_REGISTERED, 3))
    stage.writer.record(told(EventType.TRUNK_UNREGISTERED, 4, "a-pbx"))
    stage.writer.record(told(EventType.TRUNK_UP, 5))
    await stage.writer.flush()
    assert await read_trunks(database) == (
        TrunkRow("node-1", "a-pbx", None, False, NOON + 4 * _SECOND),
        TrunkRow("node-1", "carrier", True, True, NOON + 5 * _SECOND),
    )


async def test_a_node_that_starts_or_ends_knows_nothing_of_its_trunks(
    database: Database,
) -> None:
    stage, other = Stage(database), LedgerWriter(database, "node-2", lambda: NOON)
    stage.writer.record(told(EventType.TRUNK_UP, 1))
    other.record(told(EventType.TRUNK_UP, 2))
    await other.flush()
    await stage.writer.forget_trunks()
    assert [row.node for row in await read_trunks(database)] == ["node-2"]


@pytest.mark.parametrize("name", ["", "4242424242424242", "a b", "é", "a" * 41])
def test_no_event_has_any_other_name_of_a_trunk(name: str) -> None:
    with pytest.raises(ValueError, match="trunk"):
        EventDetail(trunk=name)


def test_an_event_of_a_trunk_names_it() -> None:
    with pytest.raises(ValueError, match="its trunk"):
        Event(EventType.TRUNK_UP, NOON)


def test_the_fractions_of_call_quality_have_no_room_for_a_card_number() -> None:
    detail = EventDetail(
        loss=0.4242424242424242, peer_loss=7, jitter=1e300, round_trip=float("nan")
    )
    assert detail.data() == {"loss": 0.424, "peer_loss": 1.0, "jitter": 60.0, "round_trip": 0.0}
