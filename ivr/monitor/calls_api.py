"""Having a debtor called: the agent's phone rings first."""

import json
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger.audit import add_audit
from ivr.ledger.commands import NewCommand, find_command, send_within
from ivr.ledger.database import Database
from ivr.ledger.events import new_id
from ivr.ledger.idempotency import Answer, KeyUsedError, answer_once
from ivr.ledger.preparing import NewPreparation, NotPreparedError, debt_to_pay
from ivr.monitor import models_agents
from ivr.monitor.bodies import KEY, key_used, once, read_json
from ivr.monitor.commands_api import CommandsApi, answer
from ivr.monitor.endpoint import Endpoint
from ivr.monitor.principal import Principal, Scope, principal_of
from ivr.monitor.problems import ProblemError, WrongParameter
from ivr.monitor.queries import NoQuery, read_query
from ivr.monitor.transactions_api import not_owed
from ivr.vocabulary import CommandType, Refusal


class CallsApi:
    """`POST /api/v1/calls`."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], commands: CommandsApi
    ) -> None:
        self._database = database
        self._now = now
        self._commands = commands

    def endpoints(self) -> list[Endpoint]:
        """Return the table of this class."""
        return [
            Endpoint(
                "/api/v1/calls",
                "makeCall",
                "Call an agent, then a debtor; 202 while the agent's phone rings",
                self._call,
                models_agents.CommandAnswer,
                method="POST",
                also=(HTTPStatus.ACCEPTED,),
                headers=(KEY,),
                problems=(409, 413, 415, 422),
                scope=Scope.WRITE,
                body=models_agents.NewCall,
            )
        ]

    async def _call(self, request: Request) -> Response:
        read_query(NoQuery, request)
        wanted = await read_json(models_agents.NewCall, request)
        who = principal_of(request)
        phone = wanted.phone or who.phone
        if not phone:
            wrong = WrongParameter(parameter="phone", detail="Yours is not known: give one.")
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "No phone to call.",
                code=Refusal.NO_PHONE,
                errors=[wrong],
            )

        async def work(connection: AsyncConnection) -> Answer:
            return await self._send(connection, who, wanted, phone)

        try:
            kept = await answer_once(self._database, self._now, once(request, wanted), work)
        except KeyUsedError:
            raise key_used() from None
        except NotPreparedError as error:
            raise not_owed(error) from None
        command = await find_command(self._database, self._now, int(json.loads(kept.body)))
        assert command is not None  # noqa: S101 - commands are never removed
        return answer(await self._commands.ended(command))

    async def _send(
        self,
        connection: AsyncConnection,
        who: Principal,
        wanted: models_agents.NewCall,
        phone: str,
    ) -> Answer:
        at, reference = self._now(), wanted.reference
        if reference is not None or wanted.amount is not None:
            new = NewPreparation(
                owner_id=None,
                language=wanted.language,
                reference=reference,
                amount=wanted.amount,
                currency=wanted.currency,
                debtor=wanted.debtor,
            )
            reference = (await debt_to_pay(connection, at, new, self._commands.codes)).reference
        told: dict[str, str | int | None] = {
            "call": new_id(),
            "transaction": new_id(),
            "number": wanted.number,
            "phone": phone,
            "agent": who.user_id,
            "language": wanted.language,
            "reference": reference,
            "amount": wanted.amount,
        }
        data = {name: value for name, value in told.items() if value is not None}
        await add_audit(connection, at, who.actor, "command.call", str(data["transaction"]))
        new_command = NewCommand(CommandType.CALL, who.actor, None, data)
        sent = await send_within(connection, at, new_command)
        return Answer(HTTPStatus.ACCEPTED, json.dumps(sent.id))
