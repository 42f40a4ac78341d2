"""Prompts and fragments out of a voice, at 8 kHz, trimmed, not yet levelled.

A fragment said alone sounds like a heading, so it is cut out of a carrier: after a lead, and
before what its manner asks for. The cuts are found by the pauses that the carrier's
punctuation makes; where the next number follows without a pause, by the closure of its /t/
("… trois", "… twenty"), looked for where that ending is known to begin.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ivr.speech.errors import SynthesisError
from ivr.speech.fragments import Fragment, Manner
from ivr.speech.levels import TRIM, Samples, narrow, trim
from ivr.speech.voices import Voice

_STEP_MS = 5
"""Sound is looked at in steps of 5 ms, in the voice's full band: an /s/ is no silence there."""
_PAUSE_STEPS = 40
"""200 ms of silence are a pause; the closure of a plosive is shorter."""
_CLICK_STEPS = 6
"""A shorter sound between pauses is a click of the voice, not a word."""
_VOICED = -30.0
"""Vowels are above this, closures and the noise of a /t/ are below."""
_CLOSURE_STEPS = 4
_CLOSURE_WITHIN_STEPS = 24
_FAINTEST = 0.1
"""A piece whose loudest sample is below this part of its carrier's was cut wrongly."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """The sentence around a fragment."""

    lead: str
    before: str
    """A phrase that goes before, up to a pause."""
    breath: str
    """A phrase that follows after a pause."""
    joined: tuple[str, ...]
    """Numbers that follow without one; they begin with a /t/.

    A voice may breathe before one and not before the next: the first that it joins serves.
    """


CARRIERS = {
    "fr": Carrier(
        "Voici le montant.", "deux euros,", "et dix centimes.", ("trois.", "treize.", "trente.")
    ),
    "en": Carrier(
        "Here is the amount.", "two euros,", "and ten cents.", ("twenty.", "ten.", "two.")
    ),
}


class Synthesis:
    """Says the prompts and fragments of one language."""

    def __init__(self, voice: Voice, language: str) -> None:
        self._voice = voice
        self._carrier = CARRIERS[language]
        self._endings: dict[str, int] = {}

    def sentence(self, text: str) -> Samples:
        """Return a whole prompt. Raise `SynthesisError` when the voice said nothing."""
        clip = trim(narrow(*self._voice.say(text)))
        if not len(clip):
            raise SynthesisError(f"{self._voice.name} said nothing for {text!r}")
        return clip

    def fragment(self, fragment: Fragment) -> Samples:
        """Return a piece of an amount, a number or a date. Raise `SynthesisError`."""
        carrier, text = self._carrier, fragment.text
        if fragment.manner is Manner.JOINED:
            return self._joined(text)
        if fragment.manner is Manner.CONTINUING:
            sound = self._say(f"{carrier.lead} {text}, {carrier.breath}")
            spoken, _ = self._after_lead(sound, text, phrases=2)
        elif fragment.manner is Manner.ENDING:
            sound = self._say(f"{carrier.lead} {carrier.before} {text}.")
            _, spoken = self._after_lead(sound, text, phrases=2)
        else:
            sound = self._say(f"{carrier.lead} {text}.")
            (spoken,) = self._after_lead(sound, text, phrases=1)
        return self._piece(sound, spoken, text)

    def _joined(self, text: str) -> Samples:
        problems: list[str] = []
        for ending in self._carrier.joined:
            sound = self._say(f"{self._carrier.lead} {text} {ending}")
            try:
                (spoken,) = self._after_lead(sound, text, phrases=1)
                spoken = slice(spoken.start, self._closure(sound, spoken, text, ending))
            except SynthesisError as error:
                problems.append(str(error))
            else:
                return self._piece(sound, spoken, text)
        raise SynthesisError("; ".join(problems))

    def _say(self, text: str) -> "_Sound":
        return _Sound.of(*self._voice.say(text))

    def _after_lead(self, sound: "_Sound", text: str, *, phrases: int) -> list[slice]:
        """Return the steps of each phrase after the lead, with some of the pauses around it."""
        loud = np.flatnonzero(sound.above(TRIM))
        runs = np.split(loud, np.flatnonzero(np.diff(loud) > _PAUSE_STEPS) + 1)
        spoken = [run for run in runs if len(run) >= _CLICK_STEPS]
        if len(spoken) != phrases + 1:
            pauses = len(spoken) - 1
            raise SynthesisError(
                f"{self._voice.name} made {pauses} pauses around {text!r}, not {phrases}"
            )
        around = _PAUSE_STEPS // 4
        return [slice(int(run[0]) - around, int(run[-1]) + around) for run in spoken[1:]]

    def _closure(self, sound: "_Sound", spoken: slice, text: str, ending: str) -> int:
        """Return the step at which the first /t/ of `ending` is most silent."""
        voiced = np.flatnonzero(sound.above(_VOICED)[spoken]) + spoken.start
        expected = int(voiced[-1]) - self._ending_steps(ending)
        quiet = np.setdiff1d(np.arange(voiced[0], voiced[-1]), voiced)
        runs = np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1)
        far = {
            (max(int(run[0]) - expected, expected - int(run[-1]), 0), int(run[0])): run
            for run in runs
            if len(run) >= _CLOSURE_STEPS
        }
        nearest = min(far, default=None)
        if nearest is None or nearest[0] > _CLOSURE_WITHIN_STEPS:
            raise SynthesisError(f"{self._voice.name}: no closure found after {text!r}")
        closed = far[nearest]
        return int(closed[np.argmin(sound.levels[closed])])

    def _ending_steps(self, ending: str) -> int:
        """Return how many steps an ending lasts from its first sound to its last vowel."""
        if ending not in self._endings:
            sound = self._say(f"{self._carrier.lead} {ending}")
            (spoken,) = self._after_lead(sound, ending, phrases=1)
            first = np.flatnonzero(sound.above(TRIM)[spoken])[0]
            last = np.flatnonzero(sound.above(_VOICED)[spoken])[-1]
            self._endings[ending] = int(last) - int(first)
        return self._endings[ending]

    def _piece(self, sound: "_Sound", steps: slice, text: str) -> Samples:
        samples = sound.samples[sound.at(steps)]
        if np.abs(samples).max(initial=0) < _FAINTEST * sound.levels.max():
            raise SynthesisError(f"{self._voice.name}: nothing was left of {text!r}")
        return trim(narrow(samples, sound.rate))


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
