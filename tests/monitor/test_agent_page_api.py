"""What the page asks the API for: whose a call is, what agents do, one person's acts."""

from ivr.ledger.audit import audit
from ivr.ledger.database import Database
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Step
from tests.monitor.clients import client_of, make_app
from tests.monitor.people import hire, own, quick_hashes
from tests.monitor.story import NOON, Teller, record

__all__ = ["quick_hashes"]


async def test_a_transaction_tells_whose_it_is(database: Database) -> None:
    anna = await hire(database, "anna")
    for name, owner in (("hers", anna.id), ("program", "token:crm"), ("nobodys", None)):
        await record(database, *Teller(name).call_begins().begins().take())
        if owner is not None:
            await own(database, f"tx-{name}", owner)
    async with client_of(make_app(database)) as client:
        found = (await client.get("/api/v1/transactions")).json()["items"]
    owners = {one["id"]: (one["owner_id"], one["owner"]) for one in found}
    assert owners == {
        "tx-hers": (anna.id, "Anna"),
        "tx-program": ("token:crm", "token:crm"),
        "tx-nobodys": (None, None),
    }


async def test_events_tell_the_agent_and_what_came_of_a_command(database: Database) -> None:
    teller = Teller("live").call_begins().begins()
    teller.says(EventType.AGENT_RINGING, Step.AGENT, agent="anna")
    teller.says(
        EventType.COMMAND_ENDED, command=CommandType.TAKE_BACK, outcome=CommandOutcome.DONE
    )
    await record(database, *teller.take())
    async with client_of(make_app(database)) as client:
        told = (await client.get("/api/v1/transactions/tx-live/events")).json()["items"]
    assert [one["data"] for one in told[-2:]] == [
        {"agent": "anna"},
        {"command": "take-back", "outcome": "done"},
    ]


async def test_the_audit_trail_is_read_by_actor(database: Database) -> None:
    for actor in ("user:anna", "user:sam", "user:anna"):
        await audit(database, lambda: NOON, actor, "command.cancel", "tx-1")
    async with client_of(make_app(database)) as client:
        hers = (await client.get("/api/v1/audit?actor=user:anna&limit=2")).json()["items"]
        assert [one["actor"] for one in hers] == ["user:anna", "user:anna"]
        before = f"/api/v1/audit?actor=user:anna&before={hers[0]['id']}"
        assert (await client.get(before)).json()["items"] == hers[1:]
        assert (await client.get("/api/v1/audit?actor=user:anna%20x")).status_code == 400
