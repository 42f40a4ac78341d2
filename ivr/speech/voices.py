"""Synthetic voices that can be installed offline, behind one small interface.

They are used by the build only: a call plays recorded clips.
"""

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import soundfile

from ivr.speech.errors import SynthesisError
from ivr.speech.levels import Samples
from ivr.speech.numerals import with_numerals


class Voice(Protocol):
    """A synthesiser in one language."""

    @property
    def name(self) -> str:
        """What makes the sound, settings and all: a clip is made again when it changes."""

    def say(self, text: str) -> tuple[Samples, int]:
        """Return `text` read aloud, -1 to 1, and the sampling rate in Hz.

        The voice pauses at a comma, a colon and a full stop. Raise `SynthesisError`.
        """


@dataclass(frozen=True, slots=True)
class Pico:
    """SVOX Pico (Apache-2.0): small and fast, somewhat robotic."""

    locale: str
    speed: float
    numerals_from: int
    """Larger numbers are read from numerals."""
    volume: float = 0.5
    """Above 0.7 it clips."""
    name: str = field(init=False)

    def __post_init__(self) -> None:
        settings = f"speed {self.speed}, volume {self.volume}, numerals {self.numerals_from}"
        name = f"svox-pico {self.locale}: {settings}"
        object.__setattr__(self, "name", name)

    def say(self, text: str) -> tuple[Samples, int]:
        """Return 16 kHz samples, the same for the same text.

        Each text has a process of its own: within one, Pico's breaths depend on what it
        said before.
        """
        if find_spec("py_nanotts") is None:
            raise SynthesisError(
                "SVOX Pico is not installed: pip install 'solde[voices]', or --voice espeak-ng"
            )
        reading = with_numerals(text, self.locale[:2], self.numerals_from)
        with TemporaryDirectory() as folder:
            sound = Path(folder, "said.wav")
            settings = [
                "-v",
                self.locale,
                "--speed",
                f"{self.speed}",
                "--volume",
                f"{self.volume}",
            ]
            _run(
                [sys.executable, "-m", "py_nanotts", *settings, "-o", str(sound), "--", reading]
            )
            return _read(sound)


@dataclass(frozen=True, slots=True)
class Espeak:
    """espeak-ng, where Pico cannot be installed: everywhere, and hard to understand."""

    locale: str
    words_per_minute: int = 150
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"espeak-ng {self.locale} {self.words_per_minute} wpm")

    def say(self, text: str) -> tuple[Samples, int]:
        """Return 22.05 kHz samples."""
        program = shutil.which("espeak-ng")
        if program is None:
            raise SynthesisError("espeak-ng is not installed: apt-get install espeak-ng")
        said = _run(
            [
                program,
                "-v",
                self.locale,
                "-s",
                f"{self.words_per_minute}",
                "--stdout",
                "--",
                text,
            ]
        )
        return _read(io.BytesIO(said))


def _run(command: list[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no shell
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip()
        raise SynthesisError(f"{Path(command[0]).name} ended with {done.returncode}: {why}")
    return done.stdout


def _read(sound: Path | io.BytesIO) -> tuple[Samples, int]:
    samples, rate = soundfile.read(sound, dtype="float32")
    return samples, rate


VOICES: dict[str, Callable[[str], Voice]] = {
    "pico": lambda language: {"fr": Pico("fr-FR", 0.92, 20), "en": Pico("en-GB", 1.0, 100)}[
        language
    ],
    "espeak-ng": lambda language: {"fr": Espeak("fr-fr"), "en": Espeak("en-gb")}[language],
}
"""How to make a voice for a language, by the name that the build is given."""
