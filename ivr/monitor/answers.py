"""From what the ledger read to what the API answers."""

from ivr.ledger.kpi import Indicators
from ivr.ledger.paging import Page
from ivr.ledger.reading import AttemptRow, CallRow, EventRow, TransactionRow
from ivr.monitor import models
from ivr.vocabulary import EntryError, Step, integrator_error


def error_type(step: str | None, error: str) -> str:
    """Return our error in an integrator's words; `internal-error` for one not known here."""
    try:
        known = EntryError(error)
    except ValueError:
        return EntryError.INTERNAL_ERROR.value
    try:
        place = Step(step or Step.WELCOME)
    except ValueError:
        place = Step.WELCOME
    return integrator_error(place, known)


def event(row: EventRow) -> models.Event:
    """Return an event, its error in both vocabularies."""
    data = models.EventData.model_validate(dict(row.data))
    if data.error is not None:
        data.error_type = error_type(row.step, data.error)
    return models.Event(
        id=row.id,
        at=row.at,
        type=row.type,
        node=row.node,
        call_id=row.call_id,
        transaction_id=row.transaction_id,
        step=row.step,
        data=data,
    )


def transaction(row: TransactionRow) -> models.Transaction:
    """Return a transaction."""
    return models.Transaction.model_validate(row)


def transaction_detail(
    row: TransactionRow, attempts: tuple[AttemptRow, ...]
) -> models.TransactionDetail:
    """Return a transaction and its attempts."""
    return models.TransactionDetail(
        **transaction(row).model_dump(),
        attempts=[models.Attempt.model_validate(attempt) for attempt in attempts],
    )


def transactions(page: Page[TransactionRow]) -> models.Transactions:
    """Return a page of transactions."""
    return models.Transactions(items=[transaction(row) for row in page.items], next=page.next)


def calls(page: Page[CallRow], last_event_id: int) -> models.Calls:
    """Return a page of calls, and where the stream of what follows begins."""
    return models.Calls(
        items=[
            models.Call(
                id=row.id,
                node=row.node,
                direction=row.direction,
                caller=row.caller,
                called=row.called,
                started_at=row.started_at,
                answered_at=row.answered_at,
                ended_at=row.ended_at,
                end_reason=row.end_reason,
                transactions=[transaction(one) for one in row.transactions],
                latest=[event(one) for one in row.latest],
            )
            for row in page.items
        ],
        next=page.next,
        last_event_id=last_event_id,
    )


def kpi(figures: Indicators) -> models.Kpi:
    """Return the indicators of a period."""
    return models.Kpi.model_validate(
        {
            "from": figures.start,
            "to": figures.end,
            "recovery": figures.recovery,
            "transactions": figures.transactions,
            "completed": figures.completed,
            "not_completed": figures.not_completed,
            "not_completed_rate": figures.not_completed_rate,
            "pending": figures.pending,
            "open": figures.open,
            "with_entry_error": figures.with_entry_error,
            "entry_error_rate": figures.entry_error_rate,
            "funnel": figures.funnel,
            "errors": [
                models.ErrorCount(
                    step=row.step,
                    error=row.error,
                    error_type=error_type(row.step, row.error),
                    errors=row.errors,
                    transactions=row.transactions,
                )
                for row in figures.errors
            ],
        }
    )
