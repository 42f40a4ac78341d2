"""After a restart: transactions that pass from call to call."""

from datetime import timedelta
from typing import Any

from ivr.ledger.database import Database
from ivr.ledger.preparations import claim
from ivr.ledger.tables import calls, transactions
from ivr.ledger.writer import LedgerWriter
from ivr.vocabulary import Result
from tests.ledger.stage import rows
from tests.ledger.test_preparations import AT, Node, at, prepared


async def _restart(database: Database) -> dict[str, Any]:
    writer = LedgerWriter(database, "north", at(60))
    await writer.close_orphans()
    (row,) = await rows(database, transactions)
    return row


async def test_one_that_a_pbx_took_back_still_waits_for_its_next_call(
    database: Database,
) -> None:
    made, node = await prepared(database), Node(database)
    assert await claim(database, at(1), token=made.token, call_id="first") is not None
    await node.call(made, "first", 2)
    await node.hang_up("first", 30)
    assert (await _restart(database))["ended_at"] is None
    again = await claim(database, at(70), token=made.token, call_id="second")
    assert again is not None
    assert again.reused


async def test_one_whose_second_call_died_ends_once_with_that_call(
    database: Database,
) -> None:
    made, node = await prepared(database), Node(database)
    await claim(database, at(1), token=made.token, call_id="first")
    await node.call(made, "first", 2)
    await node.hang_up("first", 30)
    await claim(database, at(31), token=made.token, call_id="second")
    await node.call(made, "second", 32)
    ended = await _restart(database)
    assert (ended["result"], ended["call_id"]) == (Result.INTERNAL_ERROR, "second")
    assert ended["ended_at"] == AT + timedelta(seconds=60)
    reasons = {row["id"]: row["end_reason"] for row in await rows(database, calls)}
    assert reasons["second"] == "process-ended" != reasons["first"]
