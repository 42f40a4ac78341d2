"""The endpoints under `/api/v1`."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, tzinfo
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from ivr.ledger import reading
from ivr.ledger.database import Database
from ivr.ledger.kpi import indicators
from ivr.ledger.paging import CursorError
from ivr.ledger.trunks import read_trunks
from ivr.monitor import answers, models, stream
from ivr.monitor.endpoint import Endpoint, Header, json_response
from ivr.monitor.principal import Scope, principal_of
from ivr.monitor.problems import ProblemError, WrongParameter
from ivr.monitor.queries import (
    CallsQuery,
    EventsQuery,
    KpiQuery,
    NoQuery,
    StreamQuery,
    TransactionsQuery,
    read_query,
)

_LAST_EVENT_ID = "Last-Event-ID"
_LONGEST_ID = len(str(reading.MAX_ID))


class Api:
    """What programs and the live page read."""

    def __init__(
        self,
        database: Database,
        waker: stream.Waker,
        *,
        now: Callable[[], datetime],
        zone: tzinfo,
        heartbeat: float,
        streams_per_person: int,
    ) -> None:
        self._database = database
        self._waker = waker
        self._now = now
        self._zone = zone
        self._heartbeat = heartbeat
        self._places = stream.Places(streams_per_person)

    def endpoints(self) -> list[Endpoint]:
        """Return the table of this class."""
        return [
            Endpoint(
                "/api/v1/transactions",
                "listTransactions",
                "Transactions, newest first",
                self._transactions,
                models.Transactions,
                query=TransactionsQuery,
                scope=Scope.READ,
            ),
            Endpoint(
                "/api/v1/transactions/{id}",
                "getTransaction",
                "A transaction with its payment attempts",
                self._transaction,
                models.TransactionDetail,
                problems=(404,),
                scope=Scope.READ,
            ),
            Endpoint(
                "/api/v1/transactions/{id}/events",
                "listTransactionEvents",
                "What happened in a transaction, oldest first",
                self._transaction_events,
                models.Events,
                query=EventsQuery,
                problems=(404,),
                scope=Scope.READ,
            ),
            Endpoint(
                "/api/v1/calls",
                "listCalls",
                "Calls with their transactions, newest first",
                self._calls,
                models.Calls,
                query=CallsQuery,
                scope=Scope.READ,
            ),
            Endpoint(
                "/api/v1/trunks",
                "listTrunks",
                "Carriers and PBXs: whether they answer, whether we are registered",
                self._trunks,
                models.Trunks,
                scope=Scope.READ,
            ),
            Endpoint(
                "/api/v1/events",
                "streamEvents",
                "Events as they happen (server-sent events)",
                self._events,
                models.Event,
                media_type=stream.MEDIA_TYPE,
                query=StreamQuery,
                headers=(Header(_LAST_EVENT_ID, "Resume behind this event."),),
                problems=(409,),
                scope=Scope.READ,
            ),
            Endpoint(
                "/api/v1/kpi",
                "getKpi",
                "The indicators of a period",
                self._kpi,
                models.Kpi,
                query=KpiQuery,
            ),
        ]

    async def _transactions(self, request: Request) -> Response:
        asked = read_query(TransactionsQuery, request)
        wanted = reading.TransactionFilter(
            **asked.model_dump(exclude={"limit", "cursor"}),
            owner=principal_of(request).owner,
        )
        try:
            page = await reading.find_transactions(
                self._database, wanted, limit=asked.limit, cursor=asked.cursor
            )
        except CursorError as error:
            raise _wrong_cursor(error) from None
        return json_response(answers.transactions(page))

    async def _transaction(self, request: Request) -> Response:
        read_query(NoQuery, request)
        row = await self._known(request)
        attempts = await reading.attempts_of(self._database, row.id)
        return json_response(answers.transaction_detail(row, attempts))

    async def _transaction_events(self, request: Request) -> Response:
        asked = read_query(EventsQuery, request)
        row = await self._known(request)
        rows = await reading.events_after(
            self._database, asked.after, transaction_id=row.id, limit=asked.limit
        )
        return json_response(models.Events(items=[answers.event(one) for one in rows]))

    async def _calls(self, request: Request) -> Response:
        asked = read_query(CallsQuery, request)
        # Before the calls: what happens in between is then told twice, never left out.
        last = await reading.last_event_id(self._database)
        try:
            page = await reading.find_calls(
                self._database,
                live=asked.live,
                owner=principal_of(request).owner,
                limit=asked.limit,
                cursor=asked.cursor,
            )
        except CursorError as error:
            raise _wrong_cursor(error) from None
        return json_response(answers.calls(page, last))

    async def _trunks(self, request: Request) -> Response:
        read_query(NoQuery, request)
        rows = await read_trunks(self._database)
        items = [models.Trunk.model_validate(row) for row in rows]
        return json_response(models.Trunks(items=items))

    async def _events(self, request: Request) -> Response:
        asked = read_query(StreamQuery, request)
        resumed = request.headers.get(_LAST_EVENT_ID)
        after = _event_id(resumed) if resumed else asked.after
        newest = await reading.last_event_id(self._database)
        if after is not None and after > newest:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                f"This ledger has no event {after} yet: it is another ledger than the one "
                "that gave this id. Start again without it.",
            )
        wanted = stream.Wanted(
            newest if after is None else after,
            asked.call_id,
            asked.transaction_id,
            principal_of(request).owner,
        )
        holder = principal_of(request).holder
        if not self._places.take(holder):
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "You have as many event streams open as one person may: close one.",
                code="too-many-streams",
                headers={"Retry-After": "15"},
            )
        return _Stream(
            lambda: self._places.give_back(holder),
            stream.stream(
                self._database,
                self._waker,
                wanted,
                heartbeat=self._heartbeat,
                still_valid=request.state.still_valid,
            ),
            media_type=stream.MEDIA_TYPE,
            # nginx would otherwise collect the stream into blocks.
            headers={"X-Accel-Buffering": "no"},
        )

    async def _kpi(self, request: Request) -> Response:
        asked = read_query(KpiQuery, request)
        end = asked.end or self._now()
        today = end.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        start = asked.start or today
        if end < start:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "The period ends before it starts.")
        return json_response(answers.kpi(await indicators(self._database, start, end)))

    async def _known(self, request: Request) -> reading.TransactionRow:
        wanted = request.path_params["id"]
        # PostgreSQL refuses a NUL in a text; no id has one.
        owner = principal_of(request).owner
        row = None
        if "\0" not in wanted:
            row = await reading.get_transaction(self._database, wanted, owner=owner)
        if row is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "There is no transaction with this id.")
        return row


class _Stream(StreamingResponse):
    """One that says when it has ended, even if nothing of it was read."""

    def __init__(
        self,
        ended: Callable[[], None],
        content: AsyncIterator[str],
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._ended = ended

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


def _event_id(header: str) -> int:
    is_number = header.isascii() and header.isdigit() and len(header) <= _LONGEST_ID
    if not (is_number and int(header) <= reading.MAX_ID):
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, f"{_LAST_EVENT_ID} is the id of an event: a whole number."
        )
    return int(header)


def _wrong_cursor(error: CursorError) -> ProblemError:
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "The query cannot be used: see cursor.",
        errors=[WrongParameter(parameter="cursor", detail=str(error))],
    )
