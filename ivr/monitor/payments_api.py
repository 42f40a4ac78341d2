"""The Payments resource that integrators know, on top of our commands.

https://www.twilio.com/docs/voice/api/payment-resource. A session is a callback endpoint for
one transaction: its id is the session's Sid.
"""

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qs

from babel.numbers import get_currency_precision
from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger import callbacks
from ivr.ledger.card_shape import holds_card_number
from ivr.ledger.commands import Command, find_command
from ivr.ledger.database import Database
from ivr.ledger.idempotency import Answer, KeyUsedError, answer_once
from ivr.ledger.payment_sessions import CallEndedError, transaction_of_call
from ivr.ledger.preparing import NewPreparation, NotPreparedError, debt_of_live
from ivr.monitor.bodies import once, read_typed
from ivr.monitor.callbacks_sender import new_secret
from ivr.monitor.commands_api import CommandsApi
from ivr.monitor.endpoint import Endpoint
from ivr.monitor.models_payments import (
    ChangedPayment,
    NewPayment,
    Payment,
    PaymentRefusal,
)
from ivr.monitor.principal import Principal, Scope, principal_of
from ivr.monitor.problems import ProblemError, wrong_parameters
from ivr.monitor.queries import NoQuery, read_query
from ivr.monitor.transactions_api import not_owed
from ivr.vocabulary import CommandOutcome, CommandType

ADDRESS = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Payments"
_FORM = "application/x-www-form-urlencoded"
_ACCOUNT = re.compile("AC[0-9a-f]{32}")
"""As theirs are; among so many digits some pass a card's check by chance."""
_SID_LETTERS, _SID_LENGTH = "abcdef", 32
_GOOD = (None, CommandOutcome.DONE, CommandOutcome.ALREADY, CommandOutcome.AFTER_PAYMENT)
_NOT_IN_PROGRESS = 21220
"""Their code for a call that is over."""
_WHY = {
    CommandOutcome.NOT_NOW: "This means nothing where the call is now.",
    CommandOutcome.SHIELD_UNPROVED: "The agent might hear a key: nothing is captured with "
    "them on the line.",
    CommandOutcome.AGENT_UNAVAILABLE: "The agent cannot be reached.",
    CommandOutcome.EXPIRED: "No node has taken it in time.",
    CommandOutcome.INTERNAL_ERROR: "The node failed at it; its log says why.",
}

_Form = TypeVar("_Form", bound=BaseModel)


class PaymentsApi:
    """Create, capture, complete, cancel.

    Each names a `StatusCallback`: that needs the right to callbacks, too.
    """

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
                f"{ADDRESS}.json",
                "createPayment",
                "Begin to capture a payment in a live call",
                self._create,
                Payment,
                method="POST",
                status=201,
                problems=(404, 409, 413, 415, 422),
                scope=Scope.WRITE,
                body=NewPayment,
                body_type=_FORM,
                refusal=PaymentRefusal,
            ),
            Endpoint(
                ADDRESS + "/{Sid}.json",
                "updatePayment",
                "Ask for a field, or for it again; complete or cancel",
                self._update,
                Payment,
                method="POST",
                status=202,
                problems=(404, 409, 413, 415, 422),
                scope=Scope.WRITE,
                body=ChangedPayment,
                body_type=_FORM,
                refusal=PaymentRefusal,
            ),
        ]

    async def _create(self, request: Request) -> Response:
        read_query(NoQuery, request)
        wanted = await _read_form(NewPayment, request)
        who, account = principal_of(request), request.path_params["AccountSid"]
        who.require(Scope.INTEGRATE)
        call_id = request.path_params["CallSid"]
        if holds_card_number(account) and not _ACCOUNT.fullmatch(account):
            raise ProblemError(HTTPStatus.BAD_REQUEST, "AccountSid is no name of an account.")

        async def work(connection: AsyncConnection) -> Answer:
            transaction_id, currency = await _live(connection, call_id, who)
            at, currency = self._now(), (wanted.Currency or currency or "USD").upper()
            letters = (secrets.choice(_SID_LETTERS) for _ in range(_SID_LENGTH))
            sid = "PK" + "".join(letters)
            session = callbacks.Endpoint(
                id=sid,
                url=wanted.StatusCallback,
                secret=new_secret(),
                transaction_id=transaction_id,
                payment={
                    "sid": sid,
                    "account_sid": account,
                    "call_sid": call_id,
                    "payment_connector": wanted.PaymentConnector,
                    "charge_amount": str(wanted.ChargeAmount),
                },
            )
            session = await callbacks.add_within(connection, at, session)
            money: dict[str, str | int] = {
                "amount": _minor(wanted.ChargeAmount, currency),
                "currency": currency,
            }
            new = NewPreparation(
                owner_id=None, language="fr", amount=int(money["amount"]), currency=currency
            )
            debt = await debt_of_live(connection, at, transaction_id, new, self._commands.codes)
            if debt is not None:
                money["reference"] = debt.reference
            kind = CommandType.START_CAPTURE
            sent = await self._commands.send_within(
                connection, who, kind, transaction_id, money
            )
            return _kept(HTTPStatus.CREATED, sent, session, at)

        return await self._answered(request, wanted, wanted.IdempotencyKey, work)

    async def _update(self, request: Request) -> Response:
        read_query(NoQuery, request)
        wanted = await _read_form(ChangedPayment, request)
        who, call_id = principal_of(request), request.path_params["CallSid"]
        who.require(Scope.INTEGRATE)
        found = await callbacks.find_endpoints(self._database, request.path_params["Sid"])
        session = found[0] if found else None
        if session is None or not _is_of(session, request) or session.transaction_id is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "There is no such payment in this call.")
        known, transaction_id = session, session.transaction_id
        kind, data = _command(wanted)

        async def work(connection: AsyncConnection) -> Answer:
            at = self._now()
            if (await _live(connection, call_id, who))[0] != transaction_id:
                raise CallEndedError
            sent = await self._commands.send_within(connection, who, kind, transaction_id, data)
            if wanted.StatusCallback != known.url:
                await callbacks.move_within(connection, known.id, wanted.StatusCallback)
            return _kept(HTTPStatus.ACCEPTED, sent, known, at)

        return await self._answered(request, wanted, wanted.IdempotencyKey, work)

    async def _answered(
        self,
        request: Request,
        body: BaseModel,
        key: str,
        work: Callable[[AsyncConnection], Awaitable[Answer]],
    ) -> Response:
        try:
            kept = await answer_once(self._database, self._now, once(request, body, key), work)
        except KeyUsedError:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "This IdempotencyKey was used for another request; use a new one for each.",
            ) from None
        except CallEndedError:
            raise _over() from None
        except NotPreparedError as error:
            raise not_owed(error) from None
        number, sid, shown = json.loads(kept.body)
        # Whoever asks again learns what came of the command, not only that it was sent.
        refusal = await self._refusal(number)
        if refusal is None:
            return Response(shown, kept.status, media_type="application/json")
        if kept.status == HTTPStatus.CREATED:
            await callbacks.remove_endpoint(self._database, self._now, sid)
        raise refusal

    async def _refusal(self, number: int) -> ProblemError | None:
        command = await find_command(self._database, self._now, number)
        assert command is not None  # noqa: S101 - commands are never removed
        ended = await self._commands.ended(command)
        if ended.outcome is CommandOutcome.CALL_ENDED:
            return _over()
        if ended.outcome in _GOOD:
            return None
        return ProblemError(HTTPStatus.CONFLICT, _WHY[ended.outcome])


async def _live(
    connection: AsyncConnection, call_id: str, who: Principal
) -> tuple[str, str | None]:
    found = await transaction_of_call(connection, call_id, who.owner)
    if found is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "There is no such call.")
    return found


def _over() -> ProblemError:
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "The call is not in progress, or its payment has ended.",
        code=str(_NOT_IN_PROGRESS),
    )


def _is_of(session: callbacks.Endpoint, request: Request) -> bool:
    of_call = session.payment is not None and (
        session.payment["account_sid"],
        session.payment["call_sid"],
    )
    return of_call == (request.path_params["AccountSid"], request.path_params["CallSid"])


def _command(wanted: ChangedPayment) -> tuple[CommandType, dict[str, str | int]]:
    if wanted.Capture is not None:
        return CommandType.CAPTURE, {"field": wanted.Capture}
    complete = wanted.Status == "complete"
    return CommandType.COMPLETE if complete else CommandType.CANCEL, {}


def _minor(amount: Decimal, currency: str) -> int:
    minor = amount.scaleb(get_currency_precision(currency))
    if minor != minor.to_integral_value():
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, f"ChargeAmount: {currency} has not so many decimals."
        )
    return int(minor)


def _kept(
    status: HTTPStatus, sent: Command, session: callbacks.Endpoint, at: datetime
) -> Answer:
    return Answer(status, json.dumps([sent.id, session.id, _shown(session, at)]))


def _shown(session: callbacks.Endpoint, at: datetime) -> str:
    payment = session.payment or {}
    account, call = payment["account_sid"], payment["call_sid"]
    created = session.created_at or at
    return Payment(
        account_sid=account,
        call_sid=call,
        date_created=format_datetime(created),
        date_updated=format_datetime(at),
        sid=session.id,
        uri=ADDRESS.format(AccountSid=account, CallSid=call) + f"/{session.id}.json",
        status_callback_secret=session.secret,
    ).model_dump_json()


async def _read_form(kind: type[_Form], request: Request) -> _Form:
    raw = await read_typed(request, _FORM, "a form")
    try:
        given = parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The form cannot be read.") from None
    try:
        return kind.model_validate(
            {name: one[0] if len(one) == 1 else one for name, one in given.items()}
        )
    except ValidationError as error:
        raise wrong_parameters(error, "form") from None
