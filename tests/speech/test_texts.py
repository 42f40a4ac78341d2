import re
from pathlib import Path

import pytest

from ivr.resources import shipped
from ivr.speech.errors import CatalogueError
from ivr.speech.required import required_ids
from ivr.speech.spoken import LANGUAGES
from ivr.speech.texts import load_texts
from payment_gateway import brands
from payment_gateway.results import Advice

COURT_LIKE = re.compile(
    r"huissier|tribunal|justice|saisie[- ]|poursuite|mise en demeure|judiciaire|contentieux|"
    r"bailiff|court|legal|lawsuit|prosecut|enforce|obligé|obliged|must\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_required_ids_and_no_other(language: str) -> None:
    assert load_texts(shipped("prompts"), language).keys() == set(required_ids())


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_are_written_in_words(language: str) -> None:
    for text in load_texts(shipped("prompts"), language).values():
        assert not re.search(r"[0-9#*€$%&/]", text.text + text.spoken), text.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_threat_and_no_court_like_word(language: str) -> None:
    for text in load_texts(shipped("prompts"), language).values():
        assert not COURT_LIKE.search(text.text), text.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_lead_ins_go_on_and_all_else_ends(language: str) -> None:
    goes_on = {
        text.id
        for text in load_texts(shipped("prompts"), language).values()
        if not text.ends_sentence
    }
    assert goes_on == {
        "amount.lead-in",
        "confirm.lead",
        "confirm.with",
        "payment-completed.thanks",
    }


def test_each_advice_of_the_gateway_has_its_words() -> None:
    assert {f"payment-failed.{advice}" for advice in Advice} <= set(required_ids())


def test_each_brand_that_the_gateway_names_can_be_said() -> None:
    named = {brand.name for brand in vars(brands).values() if isinstance(brand, brands.Brand)}
    assert named
    assert {f"brand.{name}" for name in (*named, "other")} == {
        prompt_id for prompt_id in required_ids() if prompt_id.startswith("brand.")
    }


def test_a_refused_payment_says_that_nothing_was_charged() -> None:
    charged_nothing = {"fr": "Rien n'a été débité.", "en": "Nothing has been charged."}
    for language, words in charged_nothing.items():
        texts = load_texts(shipped("prompts"), language)
        for moment in (*Advice, "not-charged", "ledger-unavailable", "too-many-attempts"):
            assert words in texts[f"payment-failed.{moment}"].text
        assert words in texts["payment-cancelled.stopped"].text
        assert words not in texts["payment-failed.unknown"].text


def catalogue(folder: Path, change: str = "", *, without: str = "") -> Path:
    tables = "".join(
        f'[{prompt_id}]\ntext = "Oui."\nversion = 1\n'
        for prompt_id in required_ids()
        if prompt_id != without
    )
    (folder / "fr.toml").write_text(tables + change, "utf-8")
    return folder


def problems(folder: Path) -> tuple[str, ...]:
    with pytest.raises(CatalogueError) as raised:
        load_texts(folder, "fr")
    assert all("fr.toml" in problem for problem in raised.value.problems)
    assert all(problem in str(raised.value) for problem in raised.value.problems)
    return raised.value.problems


def test_a_missing_id_is_named_with_the_file(tmp_path: Path) -> None:
    (problem,) = problems(catalogue(tmp_path, without="ready.ask"))
    assert problem.endswith("ready.ask is missing")


def test_a_doubled_id_is_named_with_its_line(tmp_path: Path) -> None:
    (problem,) = problems(catalogue(tmp_path, '[ready.ask]\ntext = "Non."\nversion = 1\n'))
    assert "ready" in problem
    assert "ask" in problem
    assert "line" in problem


def test_a_misspelt_id_is_named(tmp_path: Path) -> None:
    change = '[ready.aks]\ntext = "Non."\nversion = 1\n'
    (problem,) = problems(catalogue(tmp_path, change))
    assert "ready.aks" in problem


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("version = 1", "text is missing"),
        ('text = " "\nversion = 1', "text is missing"),
        ('text = "Oui"\nversion = 1', "punctuation"),
        ('text = "Oui."', "version must be"),
        ('text = "Oui."\nversion = 0', "version must be"),
        ('text = "Oui."\nversion = true', "version must be"),
        ('text = "Oui."\nversion = "1"', "version must be"),
        ('text = "Oui."\nversion = 1\nspoken = ""', "spoken is empty"),
        ('text = "Oui."\nversion = 1\ntone = "soft"', "tone is not a key"),
    ],
)
def test_a_malformed_entry_says_why(tmp_path: Path, entry: str, why: str) -> None:
    (problem,) = problems(catalogue(tmp_path, f"[ready.ask]\n{entry}\n", without="ready.ask"))
    assert "ready.ask" in problem
    assert why in problem


def test_an_entry_that_is_no_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "fr.toml").write_text('ready = "Oui."\n[amount]\nconfirm = 1\n', "utf-8")
    found = problems(tmp_path)
    assert any("ready; is its name misspelt" in problem for problem in found)
    assert any("amount.confirm: not a table" in problem for problem in found)


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    change = '[ready.aks]\ntext = "Non."\nversion = 1\n[confirm.ask.2]\nversion = 1\n'
    assert len(problems(catalogue(tmp_path, change, without="any.timeout"))) == 3


def test_a_variant_for_an_attempt_is_an_entry_of_its_own(tmp_path: Path) -> None:
    change = '[ready.timeout.2]\ntext = "Encore ?"\nversion = 3\nspoken = "Encore."\n'
    texts = load_texts(catalogue(tmp_path, change), "fr")
    variant = texts["ready.timeout.2"]
    assert (variant.text, variant.version, variant.spoken) == ("Encore ?", 3, "Encore.")
    assert texts["ready.timeout"].spoken == "Oui."


def test_a_missing_or_unreadable_catalogue_is_named(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path)
    assert "cannot be read" in problem
    (tmp_path / "fr.toml").write_bytes(b"\xff")
    (problem,) = problems(tmp_path)
    assert "UTF-8" in problem
    (tmp_path / "fr.toml").write_text("[ready]\n= 1\n", "utf-8")
    (problem,) = problems(tmp_path)
    assert "line 2" in problem
