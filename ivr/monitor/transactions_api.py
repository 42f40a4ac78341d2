"""Preparing transactions, and cancelling those that no call has used."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger.audit import add_audit
from ivr.ledger.database import Database
from ivr.ledger.idempotency import Answer, KeyUsedError, answer_once
from ivr.ledger.ownership import has_transaction
from ivr.ledger.preparations import cancel
from ivr.ledger.preparing import Codes, NewPreparation, NotPreparedError, Prepared, prepare
from ivr.ledger.reading import read_transaction
from ivr.monitor import answers, models_agents
from ivr.monitor.bodies import KEY, key_used, once, read_json
from ivr.monitor.endpoint import Endpoint
from ivr.monitor.principal import Principal, Scope, principal_of
from ivr.monitor.problems import Owed, ProblemError, WrongParameter
from ivr.monitor.queries import NoQuery, read_query
from ivr.settings import Settings
from ivr.vocabulary import Refusal, Result

HEADER = "X-Solde-Transaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfers:
    """Where prepared calls are transferred to: `[transfer]`."""

    host: str = "localhost"
    prefix: str = "88"
    codes: Codes = field(default_factory=Codes)

    @classmethod
    def of(cls, settings: Settings) -> "Transfers":
        """Return what the settings say."""
        own = settings.transfer
        return cls(
            host=own.host or settings.sip.public_host or settings.node.name,
            prefix=own.prefix,
            codes=Codes(
                digits=own.code_digits,
                lives=timedelta(seconds=own.valid_for),
                reference_digits=settings.reference.longest,
            ),
        )

    def to(self, prepared: Prepared) -> models_agents.Transfer:
        """Say where this one is transferred to."""
        return models_agents.Transfer(
            uri=f"sip:t-{prepared.token}@{self.host}",
            number=self.prefix + prepared.code,
            header=f"{HEADER}: {prepared.token}",
            user_to_user=f"{prepared.token.encode().hex()};encoding=hex",
            expires_at=prepared.expires_at,
        )


class TransactionsApi:
    """`POST` and `DELETE` under `/api/v1/transactions`."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], transfers: Transfers
    ) -> None:
        self._database = database
        self._now = now
        self._transfers = transfers

    def endpoints(self) -> list[Endpoint]:
        """Return the table of this class."""
        return [
            Endpoint(
                "/api/v1/transactions",
                "prepareTransaction",
                "Prepare a transaction; the answer says where to transfer the call",
                self._prepare,
                models_agents.PreparedTransaction,
                method="POST",
                status=201,
                headers=(KEY,),
                problems=(409, 413, 415, 422),
                scope=Scope.WRITE,
                body=models_agents.NewTransaction,
            ),
            Endpoint(
                "/api/v1/transactions/{id}",
                "cancelTransaction",
                "Cancel a prepared transaction that no call has used",
                self._cancel,
                models_agents.PreparedTransaction,
                method="DELETE",
                status=204,
                problems=(404, 409),
                scope=Scope.WRITE,
            ),
        ]

    async def _prepare(self, request: Request) -> Response:
        read_query(NoQuery, request)
        wanted = await read_json(models_agents.NewTransaction, request)
        who = principal_of(request)

        async def work(connection: AsyncConnection) -> Answer:
            made = await self._prepared(connection, who, wanted)
            return Answer(HTTPStatus.CREATED, made.model_dump_json())

        try:
            answer = await answer_once(self._database, self._now, once(request, wanted), work)
        except KeyUsedError:
            raise key_used() from None
        except NotPreparedError as error:
            raise not_owed(error) from None
        headers = {"Idempotent-Replayed": "true"} if answer.repeated else None
        return Response(answer.body, answer.status, headers, media_type="application/json")

    async def _prepared(
        self,
        connection: AsyncConnection,
        who: Principal,
        wanted: models_agents.NewTransaction,
    ) -> models_agents.PreparedTransaction:
        at = self._now()
        new = NewPreparation(
            owner_id=who.holder,
            language=wanted.language,
            reference=wanted.reference,
            amount=wanted.amount,
            currency=wanted.currency,
            debtor=wanted.debtor,
            journey=wanted.journey,
            offers=tuple(dict.fromkeys(wanted.offers)),
            agent_phone=wanted.agent_phone or who.phone,
            afterwards=wanted.afterwards,
            mode=wanted.mode,
        )
        prepared = await prepare(connection, at, new, self._transfers.codes)
        await add_audit(
            connection, at, who.actor, "transaction.prepared", prepared.transaction_id
        )
        row = await read_transaction(connection, prepared.transaction_id)
        assert row is not None  # noqa: S101 - written a moment ago
        return models_agents.PreparedTransaction(
            **answers.transaction(row).model_dump(), transfer=self._transfers.to(prepared)
        )

    async def _cancel(self, request: Request) -> Response:
        read_query(NoQuery, request)
        wanted, who, at = request.path_params["id"], principal_of(request), self._now()
        async with self._database.write() as connection:
            if not await has_transaction(connection, wanted, who.owner):
                raise no_transaction()
            if not await cancel(connection, at, wanted, Result.CANCELLED_BY_AGENT):
                raise ProblemError(
                    HTTPStatus.CONFLICT,
                    "It does not wait for a call: one has come, or it has ended. A live call "
                    "is stopped by the command `cancel`.",
                    code=Refusal.NOT_WAITING,
                )
            await add_audit(connection, at, who.actor, "transaction.cancelled", wanted)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def no_transaction() -> ProblemError:
    """Return the refusal of an id that is unknown, or of a transaction of somebody else's."""
    return ProblemError(
        HTTPStatus.NOT_FOUND,
        "There is no transaction with this id.",
        code=Refusal.NO_TRANSACTION,
    )


def not_owed(error: NotPreparedError) -> ProblemError:
    """Return the refusal of what cannot be paid."""
    wrong, debt = WrongParameter(parameter=error.field, detail=str(error)), error.debt
    return ProblemError(
        HTTPStatus.CONFLICT,
        str(error),
        code=error.code,
        errors=[wrong],
        owed=None if debt is None else Owed(amount=debt.outstanding, currency=debt.currency),
    )
