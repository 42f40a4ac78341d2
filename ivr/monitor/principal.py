"""Who asks: a person who has signed in, or a program with a token, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from starlette.requests import Request

from ivr.monitor.problems import ProblemError
from ivr.vocabulary import Refusal


class Scope(StrEnum):
    """A right, as tokens and roles have it."""

    READ = "transactions:read"
    WRITE = "transactions:write"
    """Prepare transactions and command calls."""
    READ_ALL = "transactions:all"
    """Those of others, too: calls, indicators, metrics."""
    INTEGRATE = "callbacks:write"
    USERS = "users:write"


class Role(StrEnum):
    """A person's role."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


RIGHTS = {
    Role.AGENT: frozenset({Scope.READ, Scope.WRITE}),
    Role.SUPERVISOR: frozenset({Scope.READ, Scope.WRITE, Scope.READ_ALL}),
    Role.ADMINISTRATOR: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `actor` is their name in the audit trail: `user:anna`, `token:crm`."""

    actor: str
    scopes: frozenset[Scope]
    user_id: str | None = None
    """None for a program of its own."""
    phone: str = ""
    """Where the person's calls ring."""

    @property
    def holder(self) -> str:
        """Whose is what they make: the person's id, or the program's name."""
        return self.user_id or self.actor

    @property
    def owner(self) -> str | None:
        """Whose transactions they see: their own, or None for everybody's."""
        return None if Scope.READ_ALL in self.scopes else self.holder

    def require(self, scope: Scope) -> None:
        """Raise `ProblemError` (403) without the right."""
        if scope not in self.scopes:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                f"This needs the right {scope}.",
                code=Refusal.NOT_ALLOWED,
            )


def principal_of(request: Request) -> Principal:
    """Return who asks, as authentication found them."""
    principal = request.state.principal
    assert isinstance(principal, Principal)  # noqa: S101 - every guarded route sets it
    return principal
