"""An agent's visit to a debtor's call: why it is wished for, and how it ends."""

from enum import Enum, auto
from typing import NamedTuple

from ivr.calls.agent_call import AgentCall
from ivr.calls.phones import Phone


class Wish(NamedTuple):
    """Why an agent is wanted, a word for events; whom to try in turn; what is said first.

    `asks`: whether a debtor who reaches nobody may wait; else the journey goes on at once.
    `agent` is who talks first, being on the line already, and whose phone that is.
    """

    reason: str
    phones: tuple[Phone, ...]
    first: str = "coming"
    asks: bool = True
    agent: tuple[AgentCall, str | None] | None = None


class Visit(Enum):
    """How a visit ended."""

    GO_ON = auto()
    """The journey goes on: the agent has handed over, or the debtor chose so."""
    MOVED = auto()
    """The PBX has the call: our side of it ends."""
    AGENT_LEFT = auto()
    """They have talked, and the debtor does not go on."""
    NOBODY = auto()
    """Nobody was reached, and the debtor does not go on."""
    DEBTOR_LEFT = auto()
    """The debtor has hung up; `AgentDesk.talked` says whether they had talked."""
