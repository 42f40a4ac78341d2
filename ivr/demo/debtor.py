"""What the debtor of the demo presses at each question, right or mistyped on the way."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from ivr.vocabulary import Step

EXPIRY = "1230"
REFERENCES = {"fr": "20261234", "en": "20265678"}

_UNHURRIED_MS = 120
_BOUNCE_MS = 40
"""A worn key that makes contact twice."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys pressed in one go, with this pause between two of them."""

    keys: str
    gap_ms: int = _UNHURRIED_MS


Answer = tuple[Keys, ...]


class Debtor:
    """Has an answer ready for each time a step asks."""

    def __init__(self, language: str, card: str, *, mistakes: bool) -> None:
        self.card = card
        code = "1234" if card.startswith(("34", "37")) else "123"
        right = {
            Step.REFERENCE: REFERENCES[language],
            Step.AMOUNT: "1",
            Step.READY: "#",
            Step.CARD_NUMBER: card,
            Step.EXPIRATION_DATE: EXPIRY,
            Step.SECURITY_CODE: code,
            Step.CONFIRM: "1",
            Step.FAILED: "2",  # no other card
        }
        wrong = _mistakes(card) if mistakes else {}
        self._answers = {
            step: deque([*wrong.get(step, ()), (Keys(keys),)]) for step, keys in right.items()
        }

    def interrupt(self, digits: int) -> None:
        """Key only so many digits of the card number, the first time it is asked for."""
        self._answers[Step.CARD_NUMBER].appendleft((Keys(self.card[:digits]),))

    def answer(self, step: Step) -> Answer | None:
        """Return what to press now that `step` has asked, None when there is nothing to say.

        The last answer, which is right, is given as often as it is asked for.
        """
        answers = self._answers.get(step)
        if answers is None:
            return None
        return answers.popleft() if len(answers) > 1 else answers[0]


def _mistakes(card: str) -> dict[Step, Iterable[Answer]]:
    wrong_digit = str((int(card[-1]) + 1) % 10)
    return {
        Step.REFERENCE: [(Keys("99999999"),)],
        Step.AMOUNT: [(Keys("5"),)],
        Step.CARD_NUMBER: [
            (Keys(card[:-1] + wrong_digit + "#"),),
            (Keys(card[:6]), Keys(card[6] * 2, _BOUNCE_MS), Keys(card[7:] + "#")),
        ],
        Step.EXPIRATION_DATE: [(Keys("1330#"),), (Keys("0120#"),)],
        Step.SECURITY_CODE: [(Keys("12#"),)],
    }
