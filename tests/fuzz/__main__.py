"""Fuzz: `python -m tests.fuzz [--seconds N | --runs N] [--seed N] [--keep FOLDER] [target …]`.

Each target is fuzzed in a process of its own, for so long or so many inputs; all of them
without a name. What fails is written to the folder, and is run again by giving it to
`python -m tests.fuzz.child TARGET 0 EMPTY-FOLDER FILE`.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

NAMES = (
    *("sip-message", "sip-stream", "sip-fields", "sip-digest", "user-agent"),
    *("sdp", "rtp", "rtcp", "srtp", "media-leg", "info", "tones"),
)


def fuzz(names: str, folder: Path, *, seconds: int = 0, runs: int = 0, seed: int = 0) -> str:
    """Fuzz one target, or several in turns, with commas between; return what libFuzzer said.

    Raise subprocess.CalledProcessError when something was found.
    """
    corpus = folder / "corpus" / names.replace(",", "-")[:40]
    corpus.mkdir(parents=True, exist_ok=True)
    limit = f"-runs={runs}" if runs else f"-max_total_time={seconds}"
    options = [limit, f"-seed={seed}", f"-artifact_prefix={folder}/", "-rss_limit_mb=1024"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.child", names, str(runs), str(corpus)),
            *(*options, "-timeout=20", "-print_final_stats=1", "-verbosity=1"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, names, done.stdout)
    return done.stdout


def summary(said: str) -> str:
    """Return how many inputs there were, and how much code they reached."""
    lines = [line for line in said.splitlines() if "cov:" in line or "executed_units" in line]
    coverage = next((line for line in reversed(lines) if "cov:" in line), "")
    units = next((line.split()[-1] for line in lines if "executed_units" in line), "?")
    edges = coverage.partition("cov:")[2].split()
    return f"{units} inputs, {edges[0] if edges else '?'} edges"


def _end(said: str) -> str:
    """Return what stands from the exception on, or the last of it."""
    before, found, after = said.partition(" === Uncaught")
    return found + after if found else before[-3000:]


def main(arguments: Sequence[str]) -> int:
    """Fuzz as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--runs", type=int, default=0, help="instead of seconds")
    parser.add_argument("--seed", type=int, default=0, help="0 takes another each time")
    parser.add_argument("--keep", type=Path, help="where findings and the corpus are kept")
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(NAMES))
    given = parser.parse_args(arguments)
    unknown = set(given.targets) - set(NAMES)
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    folder = given.keep or Path(tempfile.mkdtemp(prefix="solde-fuzz-"))
    failed = 0
    for name in given.targets or NAMES:
        try:
            said = fuzz(name, folder, seconds=given.seconds, runs=given.runs, seed=given.seed)
        except subprocess.CalledProcessError as error:
            failed += 1
            print(f"{name:12} FOUND SOMETHING, see {folder}\n{_end(error.output)}", flush=True)
        else:
            print(f"{name:12} nothing found in {summary(said)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
