"""Make the audio of prompts and fragments that changed: `python -m ivr.speech.build`."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivr.media.clips import Clip, ClipError, load_clip
from ivr.media.g711 import Codec, decode
from ivr.media.tone_check import which_look_like_tones
from ivr.speech.errors import CatalogueError, SpeechError
from ivr.speech.files import audio_folder, fragment_file, prompt_file
from ivr.speech.fragments import Fragment
from ivr.speech.levels import PROCESSING, Samples, amplify, gain_for, write
from ivr.speech.record import Built, Record, State, digest
from ivr.speech.spoken import LANGUAGES, fragments
from ivr.speech.synthesis import Synthesis
from ivr.speech.texts import PromptText, load_texts
from ivr.speech.voices import VOICES, Voice


@dataclass(frozen=True, slots=True)
class Wanted:
    """A clip that should be there."""

    file: str
    source: PromptText | Fragment
    level_set: str | None
    """Clips of a set are played side by side, so they share one gain."""

    @property
    def reading(self) -> str:
        """What makes this clip's sound, besides voice and processing."""
        if isinstance(self.source, Fragment):
            return f"{self.source.manner}: {self.source.text}"
        return self.source.spoken


@dataclass(slots=True)
class Report:
    """What a build did, or would do; files relative to the language's audio folder."""

    made: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    """Own recordings, left as they are."""
    removed: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    """Own recordings that nothing plays; left as they are."""


def wanted(folder: Path, language: str) -> list[Wanted]:
    """Return each clip of `language`. Raise `CatalogueError`."""
    texts = load_texts(folder, language).values()
    return [
        *(
            Wanted(
                prompt_file(text.id), text, "brands" if text.id.startswith("brand.") else None
            )
            for text in texts
        ),
        *(Wanted(fragment_file(piece.id), piece, "fragments") for piece in fragments(language)),
    ]


def build(folder: Path, language: str, voice: Voice, *, check: bool = False) -> Report:
    """Make what is missing or out of date; with `check`, only tell.

    Raise `CatalogueError` for a text that changed under the same version, and for a clip in
    which a telephone exchange may hear a key, before anything is written; `SynthesisError`.
    """
    audio = audio_folder(folder, language)
    record = Record.load(audio)
    clips = wanted(folder, language)
    _refuse_unversioned(clips, record)
    made_with = f"{voice.name}; {PROCESSING}"
    report = Report()
    stale: list[Wanted] = []
    for clip in clips:
        state = record.state(audio, clip.file, _recipe(clip, made_with))
        if state is State.STALE:
            stale.append(clip)
        elif state is State.OWN:
            report.own.append(clip.file)
    report.made = [clip.file for clip in stale]
    gone = sorted(record.files.keys() - {clip.file for clip in clips})
    for file in gone:
        own = record.state(audio, file, record.files[file].recipe) is State.OWN
        (report.unused if own else report.removed).append(file)
    _refuse_tones({file: _recorded(audio / file) for file in report.own})
    if check:
        return report
    made = list(_levelled(stale, Synthesis(voice, language), record, made_with))
    _refuse_tones({clip.file: Clip.from_samples(_whole(samples)) for clip, samples in made})
    for clip, samples in made:
        write(audio / clip.file, samples)
        record.files[clip.file] = _built(clip, made_with, audio)
    for file in gone:
        del record.files[file]
    for file in report.removed:
        (audio / file).unlink(missing_ok=True)
    if stale or gone:
        record.save(audio)
    return report


def _refuse_unversioned(clips: Iterable[Wanted], record: Record) -> None:
    problems = []
    for clip in clips:
        before = record.files.get(clip.file)
        if before is None or not isinstance(clip.source, PromptText):
            continue
        changed = before.text != digest(clip.source.text)
        if changed and clip.source.version <= before.version:
            problems.append(
                f"{clip.source.id}: the text changed; raise its version above {before.version}"
            )
    if problems:
        raise CatalogueError(problems)


def _refuse_tones(clips: dict[str, Clip]) -> None:
    files = list(clips)
    heard = [decode(Codec.PCMA, b"".join(clip.pcma)) for clip in clips.values()]
    problems = [
        f"{files[at]}: sounds like a telephone's key; change its words, or record it again"
        for at in which_look_like_tones(heard)
    ]
    if problems:
        raise CatalogueError(problems)


def _recorded(path: Path) -> Clip:
    try:
        return load_clip(path)
    except ClipError as error:
        raise CatalogueError([str(error)]) from error


def _whole(samples: Samples) -> NDArray[np.int16]:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def _levelled(
    clips: list[Wanted], synthesis: Synthesis, record: Record, made_with: str
) -> Iterator[tuple[Wanted, Samples]]:
    """Yield each clip at the telephone's loudness; a set keeps the gain it was built with."""
    raw = [(clip, _said(clip, synthesis)) for clip in clips]
    for level_set in dict.fromkeys(clip.level_set for clip in clips if clip.level_set):
        key = f"{level_set}: {digest(made_with)}"
        if key not in record.gains:
            for old in [old for old in record.gains if old.startswith(f"{level_set}:")]:
                del record.gains[old]
            members = [samples for clip, samples in raw if clip.level_set == level_set]
            record.gains[key] = gain_for(members)
    for clip, samples in raw:
        if clip.level_set is None:
            gain = gain_for([samples])
        else:
            gain = record.gains[f"{clip.level_set}: {digest(made_with)}"]
        yield clip, amplify(samples, gain)


def _said(clip: Wanted, synthesis: Synthesis) -> Samples:
    if isinstance(clip.source, Fragment):
        return synthesis.fragment(clip.source)
    return synthesis.sentence(clip.source.spoken)


def _recipe(clip: Wanted, made_with: str) -> str:
    return digest(f"{made_with}; {clip.reading}")


def _built(clip: Wanted, made_with: str, audio: Path) -> Built:
    recipe = _recipe(clip, made_with)
    content = digest((audio / clip.file).read_bytes())
    if isinstance(clip.source, Fragment):
        return Built(recipe, content)
    return Built(recipe, content, digest(clip.source.text), clip.source.version)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build each language; return 1 with `--check` when something is out of date, or 2."""
    parser = argparse.ArgumentParser(prog="python -m ivr.speech.build", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("prompts"))
    parser.add_argument("--voice", choices=sorted(VOICES), default="pico")
    parser.add_argument("--language", choices=LANGUAGES, action="append")
    parser.add_argument("--check", action="store_true", help="only tell what is out of date")
    options = parser.parse_args(arguments)
    outdated = False
    for language in options.language or LANGUAGES:
        try:
            voice = VOICES[options.voice](language)
            report = build(options.folder, language, voice, check=options.check)
        except SpeechError as error:
            sys.stderr.write(f"{language}: {error}\n")
            return 2
        outdated = outdated or bool(report.made or report.removed)
        sys.stdout.write(
            "".join(f"{language}: {line}\n" for line in _lines(report, check=options.check))
        )
    return 1 if options.check and outdated else 0


def _lines(report: Report, *, check: bool) -> Iterator[str]:
    made, removed = ("to make", "to remove") if check else ("made", "removed")
    yield f"{made}: {len(report.made)}, {removed}: {len(report.removed)}"
    yield from (f"{made}: {file}" for file in report.made if "/" not in file)
    yield from (f"kept: {file}, your own recording" for file in report.own)
    yield from (
        f"kept: {file}, your own recording, which nothing plays" for file in report.unused
    )


if __name__ == "__main__":
    sys.exit(main())
