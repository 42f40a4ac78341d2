"""The `solde` command as an operator types it."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HEADER = "reference,amount,currency\n"


def solde(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"SOLDE_NODE__DATA_DIR": str(folder), "PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(
        [sys.executable, "-m", "ivr.cli", *words],
        cwd=Path(__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_debts_are_loaded_and_counted_by_no_indicator_yet(tmp_path: Path) -> None:
    file = tmp_path / "debts.csv"
    file.write_text(HEADER + "20261234,123.45,EUR\n20265678,89.90,EUR\n")
    loaded = solde(tmp_path, "debts", "load", str(file))
    assert (loaded.returncode, loaded.stdout) == (0, "2 debts loaded\n")
    told = json.loads(solde(tmp_path, "kpi", "--json").stdout)
    assert (told["transactions"], told["recovery"]) == (0, [])
    assert "recovery rate: –" in solde(tmp_path, "kpi").stdout


def test_a_torn_file_loads_nothing_and_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "debts.csv"
    file.write_text(HEADER + "20261234,123.45,EUR\n20265678,89.")
    refused = solde(tmp_path, "debts", "load", str(file))
    assert refused.returncode == 1
    assert "line 3" in refused.stderr
    assert "nothing was loaded" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_reference_that_stands_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "debts.csv"
    file.write_text(HEADER + "20261234,123.45,EUR\n20261234,1.00,EUR\n")
    refused = solde(tmp_path, "debts", "load", str(file))
    assert refused.returncode == 1
    assert "line 3" in refused.stderr


@pytest.mark.parametrize("side", ["ivr", "monitor"])
def test_a_ledger_without_tables_is_said_with_what_to_do(tmp_path: Path, side: str) -> None:
    refused = solde(tmp_path, side, SOLDE_SIP__PORT="0", SOLDE_MONITOR__PORT="0")
    assert refused.returncode == 1
    assert "solde migrate" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_unreachable_ledger_is_said_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://solde:pass-word@127.0.0.1:9/none"
    refused = solde(tmp_path, "migrate", SOLDE_LEDGER__URL=url)
    assert refused.returncode == 1
    assert "ledger.url" in refused.stderr
    assert "pass-word" not in refused.stdout + refused.stderr


def test_an_unknown_gateway_is_said_with_those_there_are(tmp_path: Path) -> None:
    assert solde(tmp_path, "migrate").returncode == 0
    refused = solde(tmp_path, "ivr", SOLDE_GATEWAY__NAME="bogus", SOLDE_SIP__PORT="0")
    assert refused.returncode == 1
    assert "sandbox, stripe" in refused.stderr


def test_an_environment_that_would_log_cards_is_refused(tmp_path: Path) -> None:
    assert solde(tmp_path, "migrate").returncode == 0
    refused = solde(tmp_path, "ivr", STRIPE_LOG="debug", SOLDE_SIP__PORT="0")
    assert refused.returncode == 1
    assert "STRIPE_LOG" in refused.stderr


def test_a_busy_port_is_said(tmp_path: Path) -> None:
    assert solde(tmp_path, "migrate").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        refused = solde(tmp_path, "monitor", SOLDE_MONITOR__PORT=port)
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        refused = solde(tmp_path, "ivr", SOLDE_SIP__HOST="127.0.0.1", SOLDE_SIP__PORT=port)
    assert refused.returncode == 1
    assert port in refused.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    refused = solde(tmp_path, "serve", SOLDE_SIP__PORT="high")
    assert refused.returncode == 1
    assert "sip.port" in refused.stderr
