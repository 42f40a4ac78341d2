"""Prompts and fragments out of a voice, at 8 kHz, trimmed, not yet levelled.

A fragment said alone sounds like a heading, so it is cut out of a carrier: after a lead, and
before what its manner asks for. The cuts are found by the pauses that the carrier's
punctuation makes; where the next number follows without a pause, by the closure of its /t/
("… trente", "… twenty"), looked for where that ending is known to begin.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ivr.speech.errors import SynthesisError
from ivr.speech.fragments import Fragment, Manner
from ivr.speech.levels import TRIM, Samples, narrow, trim
from ivr.speech.voices import Voice

_STEP_MS = 5
"""Sound is looked at in steps of 5 ms, in the voice's full band: an /s/ is no silence there."""
_PAUSE_STEPS = 30
"""150 ms of silence are a pause; the closure of a plosive stays below 120."""
_CLOSURE = -30.0
_CLOSURE_STEPS = 4
_CLOSURE_WITHIN_STEPS = 24


@dataclass(frozen=True, slots=True)
class Carrier:
    """The sentence around a fragment."""

    lead: str
    breath: str
    """A phrase that follows after a pause."""
    joined: str
    """A number that follows without one; it begins with a /t/."""


CARRIERS = {
    "fr": Carrier("Voici le montant.", "et dix centimes.", "trente."),
    "en": Carrier("Here is the amount.", "and ten cents.", "twenty."),
}


class Synthesis:
    """Says the prompts and fragments of one language."""

    def __init__(self, voice: Voice, language: str) -> None:
        self._voice = voice
        self._carrier = CARRIERS[language]
        self._joined_steps: int | None = None

    def sentence(self, text: str) -> Samples:
        """Return a whole prompt. Raise `SynthesisError` when the voice said nothing."""
        clip = trim(narrow(*self._voice.say(text)))
        if not len(clip):
            raise SynthesisError(f"{self._voice.name} said nothing for {text!r}")
        return clip

    def fragment(self, fragment: Fragment) -> Samples:
        """Return a piece of an amount, a number or a date. Raise `SynthesisError`."""
        carrier, text = self._carrier, fragment.text
        if fragment.manner is Manner.CONTINUING:
            sound = self._say(f"{carrier.lead} {text}, {carrier.breath}")
            spoken, _ = self._after_lead(sound, text, phrases=2)
        elif fragment.manner is Manner.JOINED:
            sound = self._say(f"{carrier.lead} {text} {carrier.joined}")
            (spoken,) = self._after_lead(sound, text, phrases=1)
            spoken = slice(spoken.start, self._closure(sound, spoken, text))
        else:
            sound = self._say(f"{carrier.lead} {text}.")
            (spoken,) = self._after_lead(sound, text, phrases=1)
        return trim(narrow(sound.samples[sound.at(spoken)], sound.rate))

    def _say(self, text: str) -> "_Sound":
        return _Sound.of(*self._voice.say(text))

    def _after_lead(self, sound: "_Sound", text: str, *, phrases: int) -> list[slice]:
        """Return the steps of each phrase after the lead, with half a pause around it."""
        loud = np.flatnonzero(sound.above(TRIM))
        breaks = np.flatnonzero(np.diff(loud) > _PAUSE_STEPS)
        cuts = [(int(loud[at]) + int(loud[at + 1])) // 2 for at in breaks]
        if len(cuts) != phrases:
            raise SynthesisError(
                f"{self._voice.name} made {len(cuts)} pauses around {text!r}, not {phrases}"
            )
        edges = [*cuts, len(sound.levels)]
        return [slice(start, end) for start, end in pairwise(edges)]

    def _closure(self, sound: "_Sound", spoken: slice, text: str) -> int:
        """Return the step at which the joined ending's first /t/ closes."""
        loud = np.flatnonzero(sound.above(TRIM)[spoken])
        expected = spoken.start + int(loud[-1]) - self._ending_steps()
        near = slice(expected - _CLOSURE_WITHIN_STEPS, expected + _CLOSURE_WITHIN_STEPS)
        quiet = np.flatnonzero(~sound.above(_CLOSURE)[near]) + near.start
        runs = np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1)
        closures = [run for run in runs if len(run) >= _CLOSURE_STEPS]
        if not closures:
            raise SynthesisError(f"{self._voice.name}: no closure found after {text!r}")
        closure = min(closures, key=lambda run: abs(int(run[-1]) - expected))
        return int(closure[len(closure) // 2])

    def _ending_steps(self) -> int:
        """Return how many steps the joined ending lasts from its first sound to its last."""
        if self._joined_steps is None:
            sound = self._say(f"{self._carrier.lead} {self._carrier.joined}")
            (spoken,) = self._after_lead(sound, self._carrier.joined, phrases=1)
            loud = np.flatnonzero(sound.above(TRIM)[spoken])
            self._joined_steps = int(loud[-1]) - int(loud[0])
        return self._joined_steps


@dataclass(frozen=True, slots=True)
class _Sound:
    """What a voice said, and the loudest sample of each step."""

    samples: Samples
    rate: int
    levels: Samples

    @classmethod
    def of(cls, samples: Samples, rate: int) -> Self:
        step = rate * _STEP_MS // 1000
        steps = len(samples) // step
        levels = np.abs(samples[: steps * step]).reshape(steps, step).max(axis=1)
        return cls(samples, rate, levels)

    def above(self, decibels: float) -> NDArray[np.bool_]:
        """Return which steps reach `decibels` below the loudest one."""
        floor = np.float32(self.levels.max() * 10 ** (decibels / 20))
        return np.greater(self.levels, floor)

    def at(self, steps: slice) -> slice:
        """Return the samples of `steps`."""
        step = self.rate * _STEP_MS // 1000
        return slice(steps.start * step, steps.stop * step)
