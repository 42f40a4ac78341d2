"""Looking for a card number where it must not be: forwards, grouped, spaced and reversed."""

from pathlib import Path


def disguises(card: str) -> list[bytes]:
    """Return the ways in which a card number could be written down."""
    groups = [card[i : i + 4] for i in range(0, len(card), 4)]
    plain = [card, card[::-1], *(sign.join(groups) for sign in " -."), " ".join(card)]
    return [form.encode() for form in plain] + [card.encode("utf-16-le")]


def places_of(card: str, folder: Path, *texts: str) -> list[str]:
    """Return the files below `folder`, and the `texts` by number, that hold the number."""
    forms = disguises(card)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found = [str(path) for path in files if _holds(path.read_bytes(), forms)]
    return found + [f"text {i}" for i, text in enumerate(texts) if _holds(text.encode(), forms)]


def _holds(content: bytes, forms: list[bytes]) -> bool:
    return any(form in content for form in forms)
