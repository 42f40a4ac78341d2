"""Debts are loaded all or none, and say what is outstanding."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from ivr.ledger.database import Database
from ivr.ledger.debts import DebtsRefusedError, NewDebt, add_debts, find_debt
from ivr.ledger.preparing import Codes, NewPreparation, prepare
from ivr.ledger.tables import debts
from ivr.vocabulary import AttemptState
from tests.ledger.stage import REFERENCE, Stage, rows

_DEBT = NewDebt(
    reference=REFERENCE,
    amount=12_050,
    currency="EUR",
    debtor="Zoé Exemple",
    creditor="Énergie du Nord",
    letter_date=date(2026, 11, 2),
    language="fr",
)


async def test_a_debt_is_found_by_its_reference(database: Database) -> None:
    assert await add_debts(database, [_DEBT]) == 1
    debt = await find_debt(database, REFERENCE)
    assert debt is not None
    assert (debt.amount, debt.outstanding, debt.currency) == (12_050, 12_050, "EUR")
    assert (debt.debtor, debt.creditor, debt.letter_date, debt.language) == (
        "Zoé Exemple",
        "Énergie du Nord",
        date(2026, 11, 2),
        "fr",
    )
    assert not debt.has_open_attempt
    assert await find_debt(database, "87654321") is None


@pytest.mark.parametrize("keyed", ["4242424242424242", "123", "", "12 34 56", "١٢٣٤٥٦٧٨"])
async def test_what_is_no_reference_is_not_even_looked_up(
    database: Database, keyed: str
) -> None:
    await database.close()
    assert await find_debt(database, keyed) is None


async def test_outstanding_is_what_no_payment_has_covered(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    stage.identify("a", debt)
    for key, amount, state in (
        ("k1", 2_000, AttemptState.SUCCEEDED),
        ("k2", 3_000, AttemptState.DECLINED),
        ("k3", 5_000, AttemptState.SUCCEEDED),
    ):
        await stage.begin("a", debt, amount, key)
        await stage.writer.finish_attempt(key, state=state)
    assert (await stage.debt()).outstanding == 5_050
    await stage.begin("a", debt, 50, "k4")
    now = await stage.debt()
    assert (now.outstanding, now.has_open_attempt) == (5_050, True)
    await add_debts(database, [replace(_DEBT, amount=1_000)])
    assert (await stage.debt()).outstanding == 0


async def test_a_known_reference_is_brought_up_to_date(database: Database) -> None:
    await add_debts(database, [_DEBT])
    before = await find_debt(database, REFERENCE)
    other = replace(_DEBT, reference="11112222")
    await add_debts(database, [replace(_DEBT, amount=9_900, debtor="Z. Exemple"), other])
    after = await find_debt(database, REFERENCE)
    assert before is not None
    assert after == replace(before, amount=9_900, outstanding=9_900, debtor="Z. Exemple")
    assert len(await rows(database, debts)) == 2


async def test_the_currency_of_payments_stays(database: Database) -> None:
    stage = Stage(database)
    debt = await stage.owe()
    await add_debts(database, [replace(_DEBT, currency="GBP")])
    await add_debts(database, [_DEBT])
    stage.identify("a", debt)
    await stage.begin("a", debt)
    other = replace(_DEBT, reference="11112222")
    with pytest.raises(DebtsRefusedError, match=REFERENCE):
        await add_debts(database, [other, replace(_DEBT, currency="GBP")])
    assert await find_debt(database, "11112222") is None


async def _agent_makes(database: Database, debtor: str) -> None:
    made = NewPreparation(
        owner_id="anna", language="fr", reference=REFERENCE, amount=4_200, currency="EUR",
        debtor=debtor,
    )  # fmt: skip
    async with database.write() as connection:
        await prepare(connection, datetime(2026, 11, 21, tzinfo=UTC), made, Codes())


@pytest.mark.parametrize("debtor", ["Anna Autre", ""])
async def test_what_an_agent_made_for_another_is_not_overwritten(
    database: Database, debtor: str
) -> None:
    await _agent_makes(database, debtor)
    other = replace(_DEBT, reference="11112222")
    with pytest.raises(DebtsRefusedError, match=f"{REFERENCE} was made by an agent"):
        await add_debts(database, [other, _DEBT])
    (kept,) = await rows(database, debts)
    assert (kept["debtor"], kept["amount"]) == (debtor, 4_200)


async def test_what_an_agent_made_for_the_same_debtor_becomes_the_files(
    database: Database,
) -> None:
    await _agent_makes(database, _DEBT.debtor)
    await add_debts(database, [_DEBT])
    # From now on it is a debt as all that were loaded.
    await add_debts(database, [replace(_DEBT, debtor="Z. Exemple")])
    (kept,) = await rows(database, debts)
    assert (kept["debtor"], kept["amount"]) == ("Z. Exemple", 12_050)


async def test_a_reference_twice_loads_nothing(database: Database) -> None:
    with pytest.raises(DebtsRefusedError, match="twice"):
        await add_debts(database, [_DEBT, _DEBT])
    assert await rows(database, debts) == []
    assert await add_debts(database, []) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"reference": "4242424242424242"},
        {"reference": "A1234567"},
        {"amount": -1},
        {"amount": 10**12},
        {"currency": "eur"},
        {"language": "french"},
        {"debtor": "a\0b"},
    ],
)
def test_a_debt_that_cannot_be_is_refused_without_its_value(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {"reference": REFERENCE, "amount": 1, "currency": "EUR"}
    with pytest.raises(ValueError, match=next(iter(wrong))) as refused:
        NewDebt(**{**right, **wrong})  # type: ignore[arg-type]  # wrong on purpose
    assert str(next(iter(wrong.values()))) not in str(refused.value)
