"""Commands to live calls: sent through the ledger, answered as soon as they have ended."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger import commands
from ivr.ledger.audit import audit
from ivr.ledger.database import Database
from ivr.ledger.ownership import has_transaction
from ivr.ledger.reading import MAX_ID
from ivr.monitor import models_agents
from ivr.monitor.bodies import read_json
from ivr.monitor.endpoint import Endpoint, json_response
from ivr.monitor.principal import Principal, Scope, principal_of
from ivr.monitor.problems import ProblemError
from ivr.monitor.queries import NoQuery, read_query
from ivr.monitor.stream import Waker
from ivr.monitor.transactions_api import no_transaction
from ivr.vocabulary import CommandType

PATIENCE = 1.0
"""Seconds in which most commands end; the answer waits so long."""
_LOOK = 0.1


class CommandsApi:
    """`/api/v1/transactions/{id}/commands` and `/api/v1/commands/{id}`."""

    def __init__(
        self,
        database: Database,
        waker: Waker,
        now: Callable[[], datetime],
        patience: float = PATIENCE,
    ) -> None:
        self._database = database
        self._waker = waker
        self._now = now
        self._patience = patience

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
                problems=(404, 413, 415),
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
        data = {} if wanted.field is None else {"field": wanted.field}
        sent = await self.send(who, CommandType(wanted.type), transaction_id, data)
        return _answer(await self.ended(sent))

    async def send(
        self,
        who: Principal,
        kind: CommandType,
        transaction_id: str,
        data: Mapping[str, str | int],
    ) -> commands.Command:
        """Send a command in somebody's name, and write down that they did."""
        if who.user_id is not None:
            # Whose phone a call that is taken back goes to.
            data = {**data, "agent": who.user_id, "phone": who.phone}
        await audit(
            self._database, self._now, who.actor, f"command.{kind.value}", transaction_id
        )
        new = commands.NewCommand(kind, who.actor, transaction_id, data)
        return await commands.send_command(self._database, self._now, new)

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
        return json_response(_shown(command))

    async def _may_see(self, command: commands.Command, who: Principal) -> bool:
        if command.transaction_id is None:
            return who.owner is None or command.actor == who.actor
        return await has_transaction(self._database, command.transaction_id, who.owner)


def _answer(command: commands.Command) -> Response:
    ended = command.ended_at is not None
    return json_response(_shown(command), HTTPStatus.OK if ended else HTTPStatus.ACCEPTED)


def _shown(command: commands.Command) -> models_agents.CommandAnswer:
    return models_agents.CommandAnswer.model_validate(command, from_attributes=True)
