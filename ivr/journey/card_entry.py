"""Asking for the three card fields, one after the other, in recorded words."""

from ivr.journey.conversation import Conversation
from ivr.journey.questions import Questions
from ivr.journey.sealed_card import SealedCard
from ivr.keypad.digits import Digits
from ivr.keypad.field import Field
from ivr.vocabulary import Step

_AMEX_LIKE = 4


class CardEntry:
    """Fills `card` from what the debtor keys."""

    def __init__(
        self, conversation: Conversation, questions: Questions, card: SealedCard
    ) -> None:
        self.card = card
        self._conversation = conversation
        self._questions = questions

    async def ask_number(self) -> None:
        """Ask for the card number."""
        self.card.wipe()
        await self._ask(Step.CARD_NUMBER, self._questions.card_number)

    async def ask_expiry(self) -> None:
        """Ask for the expiry date."""
        await self._ask(Step.EXPIRATION_DATE, self._questions.expiration_date)

    async def ask_security_code(self) -> None:
        """Ask for the security code, where and as long as the brand prints it."""
        length = self.card.security_code_length
        moment = "ask-amex" if length == _AMEX_LIKE else "ask"
        await self._ask(Step.SECURITY_CODE, self._questions.security_code(length), moment)

    async def _ask(self, step: Step, field: Field, moment: str = "ask") -> None:
        question = self._conversation.voice.prompt(step, moment)
        digits = await self._conversation.enter(field, question, accept=_keep)
        self.card.keep(step, digits)


async def _keep(digits: Digits) -> Digits:
    return digits
