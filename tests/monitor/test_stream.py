"""The event stream over a real socket: live, resumed, filtered, slow, and at the end."""

import asyncio
import contextlib
import json
import socket

import httpx
import pytest
from sqlalchemy import insert

from ivr.ledger.database import Database
from ivr.ledger.tables import events
from ivr.monitor import stream
from ivr.vocabulary import EntryError, EventType, Step
from tests.monitor.clients import BEARER, OTHER_TOKEN, listening, serving
from tests.monitor.story import NOON, Teller, record


async def test_an_event_arrives_when_it_is_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the ledger's wake can bring it before the test gives up.
    monkeypatch.setattr(stream, "_PATIENCE", 3600.0)
    await record(database, *Teller("old").call_begins().take())
    async with serving(database) as (base, _), listening(base) as listener:
        headers = listener.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no"
        teller = Teller("new").call_begins().begins()
        await record(database, *teller.take())
        told = await listener.take(3)
        assert [block.event for block in told] == [
            "call.started",
            "call.answered",
            "transaction.created",
        ]
        teller.errs(Step.SECURITY_CODE, EntryError.TOO_SHORT)
        await record(database, *teller.take())
        error = await listener.next()
    assert error.id == error.data["id"] == told[-1].data["id"] + 1
    assert error.data["type"] == error.event == "entry.error"
    assert error.data["call_id"] == "call-new"
    assert error.data["step"] == "security-code"
    assert error.data["data"] == {
        "error": "too-short",
        "error_type": "invalid-security-code",
        "attempt": 1,
    }


async def test_a_stream_begins_with_the_time_to_wait_and_the_place_to_resume(
    database: Database,
) -> None:
    await record(database, *Teller("old").call_begins().take())
    async with (
        serving(database) as (base, _),
        httpx.AsyncClient(base_url=base, headers=BEARER) as client,
        client.stream("GET", "/api/v1/events") as response,
    ):
        lines = response.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == ["retry: 1000", "id: 2", ""]


async def test_resumed_behind_the_last_event(database: Database) -> None:
    teller = Teller("a").call_begins().begins().enters(Step.REFERENCE)
    await record(database, *teller.take())
    async with serving(database) as (base, _):
        async with listening(base, "?after=0") as listener:
            all_four = await listener.take(4)
        await record(database, *teller.enters(Step.AMOUNT).take())
        seen = {"Last-Event-ID": str(all_four[1].id)}
        # The header tells more than the address, which a browser repeats as it was.
        async with listening(base, "?after=0", seen) as listener:
            rest = await listener.take(3)
    assert [block.id for block in all_four] == [1, 2, 3, 4]
    assert rest[:2] == all_four[2:]
    assert rest[2].data["step"] == "amount"


async def test_only_one_call_or_transaction(database: Database) -> None:
    async with (
        serving(database) as (base, _),
        listening(base, "?call_id=call-b") as of_call,
        listening(base, "?transaction_id=tx-a") as of_transaction,
    ):
        for name in ("a", "b"):
            await record(database, *Teller(name).call_begins().begins().take())
        assert [block.event for block in await of_call.take(3)] == [
            "call.started",
            "call.answered",
            "transaction.created",
        ]
        only = await of_transaction.next()
    assert (only.event, only.data["transaction_id"]) == ("transaction.created", "tx-a")


async def test_a_quiet_stream_gives_signs_of_life(database: Database) -> None:
    async with serving(database, heartbeat=0.01) as (base, _), listening(base) as listener:
        assert (await listener.next()).comments == ["still here"]
        assert (await listener.next()).comments == ["still here"]
        await record(database, *Teller("a").call_begins().take())
        while not (told := await listener.next()).event:
            assert told.comments == ["still here"]
        assert told.event == "call.started"


async def narrow_stream(base: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open the stream with room for a few kilobytes, and read its first block only."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    address = ("127.0.0.1", int(base.rpartition(":")[2]))
    await asyncio.get_running_loop().sock_connect(sock, address)
    reader, writer = await asyncio.open_connection(sock=sock, limit=2**14)
    request = "GET /api/v1/events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: "
    writer.write(f"{request}{BEARER['Authorization']}\r\n\r\n".encode())
    await reader.readuntil(b"id: 0\n\n")
    return reader, writer


async def many_events(database: Database, count: int) -> None:
    async with database.write() as connection:
        await connection.execute(
            insert(events),
            [
                {
                    "at": NOON,
                    "type": EventType.ENTRY_PROGRESS,
                    "node": "node-1",
                    "call_id": "call-a",
                    "step": Step.CARD_NUMBER,
                    "data": {"digits": number % 20, "reference": "x" * 400},
                }
                for number in range(count)
            ],
        )


async def test_a_slow_client_lags_and_loses_nothing(database: Database) -> None:
    """The client reads nothing until far more than any buffer holds is waiting for it."""
    count = 20_000
    async with serving(database) as (base, _):
        reader, writer = await narrow_stream(base)
        await many_events(database, count)
        # Another client is served meanwhile, to the last event.
        async with listening(base, f"?after={count - 1}") as quick:
            assert (await quick.next()).id == count
        ids: list[int] = []
        async with asyncio.timeout(60):
            while len(ids) < count:
                line = await reader.readline()
                if line.startswith(b"data: "):
                    ids.append(json.loads(line[6:])["id"])
        writer.close()
        await writer.wait_closed()
    assert ids == list(range(1, count + 1))


async def test_one_waker_serves_all_and_none_misses(database: Database) -> None:
    teller = Teller("a").call_begins()
    ready = asyncio.Barrier(21)

    async def follow(base: str) -> list[int | None]:
        async with listening(base) as listener:
            await ready.wait()
            return [block.id for block in await listener.take(32)]

    async with serving(database) as (base, _), asyncio.TaskGroup() as group:
        clients = [group.create_task(follow(base)) for _ in range(20)]
        await ready.wait()
        await record(database, *teller.take())
        for number in range(30):
            teller.says(EventType.ENTRY_PROGRESS, Step.REFERENCE, digits=number % 10)
            await record(database, *teller.take())
    assert [client.result() for client in clients] == [list(range(1, 33))] * 20


async def test_open_streams_end_in_order_when_the_monitor_stops(database: Database) -> None:
    async with (
        serving(database, drain_seconds=600) as (base, stop),
        listening(base) as one,
        listening(base) as other,
    ):
        stop.set()
        assert await one.ended()
        assert await other.ended()


async def test_a_client_that_reads_nothing_does_not_hold_the_end_up(
    database: Database,
) -> None:
    async with serving(database, drain_seconds=1) as (base, stop):
        await many_events(database, 20_000)
        _, writer = await narrow_stream(base)
        stop.set()
    # `serving` returned: the server has ended with the client still there.
    writer.close()


async def test_a_head_request_opens_no_stream(database: Database) -> None:
    async with (
        serving(database) as (base, _),
        httpx.AsyncClient(base_url=base, headers=BEARER) as client,
    ):
        answer = await client.head("/api/v1/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_one_person_has_so_many_streams_and_no_more(database: Database) -> None:
    other = {"Authorization": f"Bearer {OTHER_TOKEN}"}
    async with serving(database, heartbeat=0.05) as (base, _):
        async with contextlib.AsyncExitStack() as open_:
            for _ in range(20):
                one = await open_.enter_async_context(listening(base))
                assert one.response.status_code == 200
            # All tokens of the settings are one person.
            for headers in (BEARER, other):
                async with listening(base, "", headers) as refused:
                    assert refused.response.status_code == 429
                    assert int(refused.response.headers["retry-after"]) > 0
                    problem = json.loads(await refused.response.aread())
                    assert problem["code"] == "too-many-streams"
        async with asyncio.timeout(20):
            while True:
                async with listening(base) as again:
                    if again.response.status_code == 200:
                        break
