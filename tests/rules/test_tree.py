"""Rules of the house that no linter knows."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_no_module_grows_beyond_one_idea() -> None:
    sizes = {p: len(p.read_text().splitlines()) for p in _tracked("*.py")}
    long = {
        str(p.relative_to(ROOT)): n
        for p, n in sizes.items()
        if n > 350 and "tests" not in p.parts
    }
    assert not long


def test_nothing_is_left_for_later() -> None:
    left = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b|pytest\.(mark\.)?(skip|xfail)")
    found = [
        str(path.relative_to(ROOT))
        for path in _tracked("*.py")
        if path != Path(__file__) and left.search(path.read_text())
    ]
    assert not found


MAY_SLEEP = {
    "ivr/demo/agent_act.py",  # an agent and a debtor talk for a while
    "ivr/demo/phone.py",
    "ivr/demo/phone_sound.py",  # a phone sends its audio in real time, from a thread
    "ivr/monitor/housekeeping.py",  # looks again every minute
    "tests/bench/player.py",  # sends audio in real time
    "tests/bench/reference.py",
    "tests/end_to_end/attack.py",  # at so many messages a second
    "ivr/ledger/wake.py",  # SQLite tells nobody that it was written: it is asked
}


def test_tests_move_a_clock_and_never_sleep() -> None:
    sleep = re.compile(r"\b(time|asyncio)\.sleep\((?!0\))")
    found = [
        str(p.relative_to(ROOT))
        for p in _tracked("*.py")
        if p != Path(__file__) and sleep.search(p.read_text())
    ]
    assert set(found) <= MAY_SLEEP


def test_pages_and_wheels_ship_what_they_need() -> None:
    for name in ("config/solde.toml", "prompts/fr.toml", "prompts/en.toml"):
        assert (ROOT / name).is_file()
