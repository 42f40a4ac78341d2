"""Metrics as Prometheus reads them."""

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from sqlalchemy import update

from ivr.ledger.database import Database
from ivr.ledger.tables import entry_errors, transactions
from ivr.vocabulary import EntryError, EventType, Result, Step
from tests.monitor.clients import BEARER, client_of, make_app
from tests.monitor.story import Teller, attempt, owe, record, trunk

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def a_day(database: Database) -> None:
    await owe(database, "d1")
    paid = Teller("paid").call_begins().begins().identified("d1", 12_345)
    paid.errs(Step.CARD_NUMBER, EntryError.TIMEOUT).errs(Step.CARD_NUMBER, EntryError.TIMEOUT)
    await record(database, *paid.ends(Result.SUCCESS).take())
    await record(database, *Teller("open").begins().take())
    its = {"transaction_id": "tx-paid", "debt_id": "d1"}
    await attempt(database, "a1", **its, amount=12_345)
    await attempt(database, "a2", **its, state="declined")


def samples(answer: httpx.Response, parse: object = plain) -> Samples:
    assert callable(parse)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(answer.text)
        for sample in family.samples
    }


async def test_the_ledger_in_numbers(database: Database) -> None:
    await a_day(database)
    async with client_of(make_app(database)) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = samples(answer)

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert value("solde_calls_live") == 1
    assert value("solde_transactions", result="open") == 1
    assert value("solde_transactions", result="success") == 1
    assert value("solde_transactions", result="card-declined") == 0
    assert value("solde_payment_attempts", state="succeeded") == 1
    assert value("solde_payment_attempts", state="declined") == 1
    assert value("solde_entry_errors_total", step="payment-card-number", error="timeout") == 2
    assert value("solde_recovered_minor_units_total", currency="EUR") == 12_345


async def test_a_trunk_is_up_or_down_and_registered_or_not_once_that_is_known(
    database: Database,
) -> None:
    await record(database, trunk(EventType.TRUNK_UP), trunk(EventType.TRUNK_UP, "pbx"))
    told = [trunk(EventType.TRUNK_DOWN), trunk(EventType.TRUNK_REGISTERED, "pbx")]
    await record(database, *told)
    async with client_of(make_app(database)) as client:
        found = samples(await client.get("/metrics"))
    carrier, pbx = (
        frozenset({("node", "node-1"), ("trunk", name)}) for name in ("carrier", "pbx")
    )
    assert {name: value for name, value in found.items() if "trunk" in name[0]} == {
        ("solde_trunk_up", carrier): 0,
        ("solde_trunk_up", pbx): 1,
        ("solde_trunk_registered", pbx): 1,
    }


async def test_openmetrics_where_it_is_asked_for(database: Database) -> None:
    await a_day(database)
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with client_of(make_app(database), BEARER | accept) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    found = samples(answer, openmetrics)
    assert found["solde_calls_live", frozenset()] == 1


async def test_no_row_can_make_a_series_of_its_own(database: Database) -> None:
    await a_day(database)
    async with client_of(make_app(database)) as client:
        before = samples(await client.get("/metrics"))
        async with database.write() as connection:
            for table, row in (
                (transactions, {"result": "x1"}),
                (entry_errors, {"error": "x2"}),
            ):
                await connection.execute(update(table).values(**row))
        after = samples(await client.get("/metrics"))
    assert not any("x1" in str(name) or "x2" in str(name) for name in after)
    other = frozenset({("step", "payment-card-number"), ("error", "other")})
    assert after["solde_entry_errors_total", other] == 2
    assert after["solde_transactions", frozenset({("result", "other")})] == 1
    assert len(after) == len(before) + 1
