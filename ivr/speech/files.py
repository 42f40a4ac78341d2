"""Where the audio of prompts and fragments lies in a `prompts` folder."""

from pathlib import Path


def audio_folder(folder: Path, language: str) -> Path:
    """Return the folder of a language's audio."""
    return folder / "audio" / language


def prompt_file(prompt_id: str) -> str:
    """Return a prompt's file, relative to its language's audio."""
    return f"{prompt_id}.wav"


def fragment_file(fragment_id: str) -> str:
    """Return a fragment's file, relative to its language's audio."""
    return f"fragments/{fragment_id}.wav"
