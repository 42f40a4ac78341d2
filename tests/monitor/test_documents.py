"""The documents tell all that there is, in the words that are really used."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from ivr.ledger.database import Database
from ivr.monitor.answers import error_type
from ivr.monitor.models import EventData
from ivr.vocabulary import (
    AttemptState,
    CommandOutcome,
    CommandType,
    EntryError,
    EventType,
    Refusal,
    Result,
    Step,
)
from tests.monitor.clients import client_of, make_app

DOCS = Path(__file__).parents[2] / "docs"


def sections(name: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", (DOCS / name).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(table: str) -> dict[str, list[str]]:
    """Return the cells of each row by the first cell's words."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| `")
    ]
    return {word: row for row in cells for word in re.findall(r"`([^`]+)`", row[0])}


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Steps", Step),
        ("Entry errors", EntryError),
        ("Results", Result),
        ("Events", EventType),
        ("Refusals", Refusal),
        ("States of a payment attempt", AttemptState),
    ],
)
def test_each_word_is_explained_and_no_other(title: str, words: type[StrEnum]) -> None:
    assert set(rows(sections("vocabulary.md")[title])) == {word.value for word in words}


def test_each_command_and_each_outcome_is_explained_and_no_other() -> None:
    words = {word.value for kind in (CommandType, CommandOutcome) for word in kind}
    assert set(rows(sections("vocabulary.md")["Commands"])) == words


def test_each_field_of_an_event_is_explained_and_no_other() -> None:
    assert set(rows(sections("vocabulary.md")["Fields of `data`"])) == set(
        EventData.model_fields
    )


@pytest.mark.parametrize("error", list(EntryError))
def test_the_integrators_words_are_the_right_ones(error: EntryError) -> None:
    table = rows(sections("vocabulary.md")["Entry errors"])
    told = table[error][2]
    if told == "as `too-short`":
        told = table["too-short"][2]
    assert set(re.findall(r"`([^`]+)`", told)) == {error_type(step, error) for step in Step}


async def test_each_address_of_the_api_is_in_its_document(database: Database) -> None:
    async with client_of(make_app(database), {}) as client:
        document = (await client.get("/openapi.json")).json()
    async with client_of(make_app(database)) as client:
        metrics = (await client.get("/metrics")).text
    names = re.findall(r"^# TYPE (\S+)", metrics, re.MULTILINE)
    page = (DOCS / "api.md").read_text()
    assert len(names) == 7
    for told in [*document["paths"], *names]:
        assert f"{told}`" in page or f"{told}{{" in page, told
