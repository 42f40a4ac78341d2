"""A CSV file of debts is read whole, or refused with the number of its line."""

import contextlib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.ledger.debts import NewDebt
from ivr.ledger.debts_csv import DebtsFileError, read_debts

_WHOLE = (
    "reference,amount,currency,debtor,creditor,letter_date,language\n"
    '12345678,120.50,EUR,"Exemple, Zoé",Énergie du Nord,2026-11-02,fr\n'
    "87654321,0.99,GBP,J. Doe,Northern Energy,,en\n"
)


def _file(folder: Path, content: str | bytes) -> Path:
    path = folder / "debts.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    assert read_debts(_file(tmp_path, _WHOLE)) == [
        NewDebt(
            reference="12345678",
            amount=12_050,
            currency="EUR",
            debtor="Exemple, Zoé",
            creditor="Énergie du Nord",
            letter_date=date(2026, 11, 2),
            language="fr",
        ),
        NewDebt(
            reference="87654321",
            amount=99,
            currency="GBP",
            debtor="J. Doe",
            creditor="Northern Energy",
            language="en",
        ),
    ]


def test_a_french_spreadsheets_file_is_read(tmp_path: Path) -> None:
    content = "\ufeffReference;Amount;Debtor\r\n12345678;120,50;Zoé\r\n\r\n"
    assert read_debts(_file(tmp_path, content)) == [
        NewDebt(reference="12345678", amount=12_050, currency="EUR", debtor="Zoé")
    ]


def test_a_file_without_debts_is_read(tmp_path: Path) -> None:
    assert read_debts(_file(tmp_path, "reference,amount\n")) == []


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ("", 1, "does not end"),
        ("\n", 1, "reference is missing"),
        ("amount\n1.00\n", 1, "reference is missing"),
        ("reference,amount,cvc\n", 1, "'cvc' is not one"),
        ("reference,amount,amount\n", 1, "twice"),
        (_WHOLE + "11112222,1.00\n", 4, "2 fields instead of 7"),
        (_WHOLE + "11112222,1.00,EUR,,,,fr", 4, "cut off"),
        (_WHOLE + '11112222,1.00,EUR,"open,,,fr\n', 4, "unexpected end"),
        (_WHOLE + "11112222,120,EUR,,,,fr\n", 4, "two decimals"),
        (_WHOLE + "11112222,-1.00,EUR,,,,fr\n", 4, "two decimals"),
        (_WHOLE + "11112222,1.00,JPY,,,,fr\n", 4, "currency"),
        (_WHOLE + "11112222,1.00,EUR,,,02/11/2026,fr\n", 4, "letter_date"),
        (_WHOLE + "11112222,1.00,EUR,,,,français\n", 4, "language"),
        (_WHOLE + "12345678,1.00,EUR,,,,fr\n", 4, "line 2 already"),
        (_WHOLE + "1111,1.00,EUR,4242 4242 4242 4242,,,fr\n", 4, "card number"),
        (b"reference,amount,debtor\n1111,1.00,Zo\xe9\n", 2, "UTF-8"),
    ],
)
def test_a_file_that_is_not_right_names_its_line(
    tmp_path: Path, content: str | bytes, line: int, why: str
) -> None:
    with pytest.raises(DebtsFileError, match=why) as refused:
        read_debts(_file(tmp_path, content))
    assert refused.value.line == line
    assert f"line {line}:" in str(refused.value)
    assert "4242" not in str(refused.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(min_value=0, max_value=len(_WHOLE.encode()) - 1))
def test_a_torn_file_never_passes_for_more_than_its_whole_lines(
    tmp_path: Path, length: int
) -> None:
    torn = _WHOLE.encode()[:length]
    if torn.endswith(b"\n"):
        assert len(read_debts(_file(tmp_path, torn))) == torn.count(b"\n") - 1
    else:
        with pytest.raises(DebtsFileError):
            read_debts(_file(tmp_path, torn))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    for head in (b"", b"reference,amount\n", b"reference;amount;debtor\n"):
        path = _file(tmp_path, head + content)
        with contextlib.suppress(DebtsFileError):  # nothing else may come out of it
            debts = read_debts(path)
            assert len({debt.reference for debt in debts}) == len(debts)
