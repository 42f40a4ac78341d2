"""What the build made, so that only what changed is made again (`built.json`).

A file whose content is not what the build wrote is an owner's own recording.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

NAME = "built.json"


class State(StrEnum):
    """How a clip's file stands against what is wanted."""

    FRESH = "fresh"
    STALE = "stale"
    """Missing, or built from another text, voice or processing."""
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Built:
    """How a file was made. Hashes are the first 16 hexadecimal digits of SHA-256."""

    recipe: str
    """Of what was read aloud, by which voice, processed how."""
    audio: str
    """Of the file's content."""
    text: str = ""
    """Of the catalogue's text, for a prompt."""
    version: int = 0


@dataclass(slots=True)
class Record:
    """All that was built for a language, by file; the gains of the sets by recipe."""

    files: dict[str, Built] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Record":
        """Read a language's record; empty when nothing was built yet."""
        path = folder / NAME
        if not path.is_file():
            return cls()
        stored = json.loads(path.read_text("utf-8"))
        files = {file: Built(**built) for file, built in stored["files"].items()}
        return cls(files, stored["gains"])

    def save(self, folder: Path) -> None:
        """Write the record, one file a line, in order."""
        folder.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(
            f"  {json.dumps(file)}: {json.dumps(_short(built))}"
            for file, built in sorted(self.files.items())
        )
        gains = json.dumps(self.gains, sort_keys=True)
        text = f'{{"gains": {gains},\n "files": {{\n{lines}\n}}}}\n'
        (folder / NAME).write_text(text, "utf-8")

    def state(self, folder: Path, file: str, recipe: str) -> State:
        """Tell how `file` stands against `recipe`."""
        path = folder / file
        if not path.is_file():
            return State.STALE
        built = self.files.get(file)
        if built is None or built.audio != digest(path.read_bytes()):
            return State.OWN
        return State.FRESH if built.recipe == recipe else State.STALE


def digest(content: bytes | str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of `content`."""
    octets = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(octets).hexdigest()[:16]


def _short(built: Built) -> dict[str, str | int]:
    return {key: value for key, value in asdict(built).items() if value}
