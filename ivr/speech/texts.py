"""The text catalogue of a language, read and checked without its audio."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.speech.errors import CatalogueError
from ivr.speech.required import required_ids

_KEYS = frozenset({"text", "version", "spoken"})


@dataclass(frozen=True, slots=True)
class PromptText:
    """One sentence of the catalogue, reviewed as `version`."""

    id: str
    text: str
    version: int
    spoken: str
    """What a synthesiser reads: `text`, unless the catalogue respells it."""

    @property
    def ends_sentence(self) -> bool:
        """Whether a pause belongs after it; a lead-in ends in a colon or a comma."""
        return self.text.endswith((".", "!", "?"))


def load_texts(folder: Path, language: str) -> dict[str, PromptText]:
    """Read `<folder>/<language>.toml`, by id (`step.moment` or `step.moment.attempt`).

    Raise `CatalogueError` that lists each missing, unknown, doubled or malformed entry.
    """
    path = folder / f"{language}.toml"
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CatalogueError([f"{path}: cannot be read ({error.strerror})"]) from error
    except UnicodeDecodeError as error:
        raise CatalogueError([f"{path}: not UTF-8 (byte {error.start})"]) from error
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError([f"{path}: {error}"]) from error
    required = required_ids()
    problems: list[str] = []
    texts: dict[str, PromptText] = {}
    for prompt_id, table in _entries(tables):
        if _base(prompt_id) not in required:
            problems.append(f"{path}: no step says {prompt_id}; is its name misspelt?")
        else:
            found = _problems(table)
            problems += [f"{path}: {prompt_id}: {problem}" for problem in found]
            if not found:
                text, version = table["text"], table["version"]
                spoken = table.get("spoken", text)
                texts[prompt_id] = PromptText(prompt_id, text, version, spoken)
    named = {prompt_id for prompt_id, _ in _entries(tables)}
    problems += [
        f"{path}: {missing} is missing" for missing in required if missing not in named
    ]
    if problems:
        raise CatalogueError(problems)
    return texts


def _entries(tables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each entry with its dotted id; an attempt nests in the entry that it varies."""
    for step, moments in tables.items():
        if not isinstance(moments, dict):
            yield step, moments
            continue
        for moment, table in moments.items():
            prompt_id = f"{step}.{moment}"
            if not isinstance(table, dict):
                yield prompt_id, table
                continue
            variants = {key: value for key, value in table.items() if isinstance(value, dict)}
            yield prompt_id, {key: table[key] for key in table.keys() - variants.keys()}
            for attempt, variant in variants.items():
                yield f"{prompt_id}.{attempt}", variant


def _base(prompt_id: str) -> str:
    """Return the id without its attempt."""
    base, _, attempt = prompt_id.rpartition(".")
    return base if attempt.isascii() and attempt.isdigit() and int(attempt) > 0 else prompt_id


def _problems(table: object) -> list[str]:
    if not isinstance(table, dict):
        return ["not a table with text and version"]
    problems = [f"{key} is not a key of a prompt" for key in sorted(table.keys() - _KEYS)]
    text, version, spoken = table.get("text"), table.get("version"), table.get("spoken")
    if not isinstance(text, str) or not text.strip():
        problems.append("text is missing or empty")
    elif not text.endswith((".", "!", "?", ":", ",")):
        problems.append("text does not end with punctuation, so it would be read unfinished")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        problems.append("version must be a whole number from 1")
    if spoken is not None and (not isinstance(spoken, str) or not spoken.strip()):
        problems.append("spoken is empty")
    return problems
