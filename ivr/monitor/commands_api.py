"""Commands to live calls: sent through the ledger, answered as soon as they have ended."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger import commands
from ivr.ledger.audit import add_audit
from ivr.ledger.database import Database
from ivr.ledger.ownership import has_transaction
from ivr.ledger.preparing import Codes, NewPreparation, NotPreparedError, debt_of_live
from ivr.ledger.reading import MAX_ID
from ivr.monitor import models_agents
from ivr.monitor.bodies import read_json
from ivr.monitor.endpoint import Endpoint, json_response
from ivr.monitor.principal import Principal, Scope, principal_of
from ivr.monitor.problems import ProblemError
from ivr.monitor.queries import NoQuery, read_query
from ivr.monitor.stream import Waker
from ivr.monitor.transactions_api import no_transaction, not_owed
from ivr.vocabulary import CommandType

PATIENCE = 1.0
"""Seconds in which most commands end; the answer waits so long."""
_LOOK = 0.1
_MADE_IN = "fr"
"""The language of a debt that is made amid a call, which nothing speaks any more."""


class CommandsApi:
    """`/api/v1/transactions/{id}/commands` and `/api/v1/commands/{id}`."""

    def __init__(
        self,
        database: Database,
        waker: Waker,
        now: Callable[[], datetime],
        patience: float = PATIENCE,
        codes: Codes | None = None,
    ) -> None:
        self._database = database
        self._waker = waker
        self._now = now
        self._patience = patience
        self.codes = codes or Codes()

    def endpoints(self) -> list[Endpoint]:
        """Return the table of this class."""
        return [
            Endpoint(
                "/api/v1/transactions/{id}/commands",
                "sendCommand",
                "Ask something of a live call; 202 when it takes longer than a second",
                self._send,
                models_agents.CommandAnswer,
                method="POST",
                also=(HTTPStatus.ACCEPTED,),
                problems=(404, 409, 413, 415),
                scope=Scope.WRITE,
                body=models_agents.NewCommand,
            ),
            Endpoint(
                "/api/v1/commands/{id}",
                "getCommand",
                "How a command stands",
                self._get,
                models_agents.CommandAnswer,
                problems=(404,),
                scope=Scope.READ,
            ),
        ]

    async def _send(self, request: Request) -> Response:
        read_query(NoQuery, request)
        wanted = await read_json(models_agents.NewCommand, request)
        transaction_id, who = request.path_params["id"], principal_of(request)
        if not await has_transaction(self._database, transaction_id, who.owner):
            raise no_transaction()
        try:
            async with self._database.write() as connection:
                told: dict[str, str | int | None] = {
                    "field": wanted.field,
                    "reference": await self._debt(connection, transaction_id, wanted),
                    "amount": wanted.amount,
                    "currency": wanted.currency,
                }
                data = {name: value for name, value in told.items() if value is not None}
                kind = CommandType(wanted.type)
                sent = await self.send_within(connection, who, kind, transaction_id, data)
        except NotPreparedError as error:
            raise not_owed(error) from None
        return answer(await self.ended(sent))

    async def _debt(
        self, connection: AsyncConnection, transaction_id: str, wanted: models_agents.NewCommand
    ) -> str | None:
        """Return the reference of what is to be paid, where the command says so."""
        if wanted.reference is None and wanted.amount is None:
            return None
        new = NewPreparation(
            owner_id=None,
            language=_MADE_IN,
            reference=wanted.reference,
            amount=wanted.amount,
            currency=wanted.currency,
        )
        debt = await debt_of_live(connection, self._now(), transaction_id, new, self.codes)
        return None if debt is None else debt.reference

    async def send_within(
        self,
        connection: AsyncConnection,
        who: Principal,
        kind: CommandType,
        transaction_id: str,
        data: Mapping[str, str | int],
    ) -> commands.Command:
        """Send a command in somebody's name, and write down that they did.

        It happens inside the caller's write transaction.
        """
        at = self._now()
        if who.user_id is not None:
            # Whose phone a call that is taken back goes to.
            data = {**data, "agent": who.user_id, "phone": who.phone}
        await add_audit(connection, at, who.actor, f"command.{kind.value}", transaction_id)
        new = commands.NewCommand(kind, who.actor, transaction_id, data)
        return await commands.send_within(connection, at, new)

    async def ended(self, command: commands.Command) -> commands.Command:
        """Return a command once it has ended, or as it stands when patience ends."""
        deadline = time.monotonic() + self._patience
        while command.ended_at is None and (left := deadline - time.monotonic()) > 0:
            turn = self._waker.turn
            # The event of its end may be there a moment before the end itself.
            await self._waker.after(turn, min(left, _LOOK))
            found = await commands.find_command(self._database, self._now, command.id)
            assert found is not None  # noqa: S101 - commands are never removed
            command = found
        return command

    async def _get(self, request: Request) -> Response:
        read_query(NoQuery, request)
        given, who = request.path_params["id"], principal_of(request)
        known = given.isascii() and given.isdigit() and len(given) < len(str(MAX_ID))
        command = (
            await commands.find_command(self._database, self._now, int(given))
            if known
            else None
        )
        if command is None or not await self._may_see(command, who):
            raise ProblemError(HTTPStatus.NOT_FOUND, "There is no command with this id.")
        return json_response(shown(command))

    async def _may_see(self, command: commands.Command, who: Principal) -> bool:
        if command.transaction_id is None:
            # Tokens of other people may have the same name.
            mine = (command.actor, command.data.get("agent")) == (who.actor, who.user_id)
            return who.owner is None or mine
        return await has_transaction(self._database, command.transaction_id, who.owner)


def answer(command: commands.Command) -> Response:
    """Return how a command stands: 200 when it has ended, else 202."""
    ended = command.ended_at is not None
    return json_response(shown(command), HTTPStatus.OK if ended else HTTPStatus.ACCEPTED)


def shown(command: commands.Command) -> models_agents.CommandAnswer:
    """Return a command for who may see it."""
    told = models_agents.CommandAnswer.model_validate(command, from_attributes=True)
    if command.type is not CommandType.CALL:
        return told
    # The ids of what it is to make.
    made = {"call_id": command.data["call"], "transaction_id": command.data["transaction"]}
    return told.model_copy(update=made)
