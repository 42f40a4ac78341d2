"""Asking for the three card fields, and holding them sealed until they become a `Card`."""

from ivr.journey.conversation import Conversation
from ivr.journey.questions import Questions
from ivr.keypad.digits import Digits
from ivr.vocabulary import Step
from payment_gateway.brands import Brand, identify
from payment_gateway.card import Card

_AMEX_LIKE = 4


class CardEntry:
    """A card as far as it has been keyed."""

    def __init__(self, conversation: Conversation, questions: Questions) -> None:
        self._conversation = conversation
        self._questions = questions
        self._number = Digits()
        self._expiry = Digits()
        self._code = Digits()
        self._brand: Brand | None = None

    @property
    def brand_name(self) -> str:
        """The brand, for the debtor to hear; `other` where it is not known."""
        return self._brand.name if self._brand else "other"

    @property
    def has_number(self) -> bool:
        """Whether a valid card number is held."""
        return len(self._number) > 0

    async def ask_number(self) -> None:
        """Ask for the card number."""
        self.wipe()
        voice = self._conversation.voice
        self._number = await self._conversation.enter(
            self._questions.card_number, voice.prompt(Step.CARD_NUMBER, "ask"), accept=_keep
        )
        self._brand = identify(self._number.peek())

    async def ask_expiry(self) -> None:
        """Ask for the expiry date."""
        voice = self._conversation.voice
        self._expiry = await self._conversation.enter(
            self._questions.expiration_date,
            voice.prompt(Step.EXPIRATION_DATE, "ask"),
            accept=_keep,
        )

    async def ask_security_code(self) -> None:
        """Ask for the security code, where and as long as the brand prints it."""
        voice = self._conversation.voice
        length = self._brand.security_code_length if self._brand else 3
        moment = "ask-amex" if length == _AMEX_LIKE else "ask"
        self._code = await self._conversation.enter(
            self._questions.security_code(length),
            voice.prompt(Step.SECURITY_CODE, moment),
            accept=_keep,
        )

    def take(self) -> Card:
        """Give the card away; the taker wipes it."""
        expiry = self._expiry.take()
        # MMYYYY, from who writes the year in full, becomes MMYY.
        if len(expiry) == 6:
            del expiry[2:4]
        return Card(self._number.take(), expiry, self._code.take())

    def wipe(self) -> None:
        """Zero whatever was keyed."""
        for digits in (self._number, self._expiry, self._code):
            digits.clear()


async def _keep(digits: Digits) -> Digits:
    return digits
