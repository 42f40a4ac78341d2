"""The indicators as a person reads them on a terminal."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.numbers import format_currency, format_percent, get_currency_precision

from ivr.ledger.kpi import Indicators

_LOCALE = "en"


def money(amount: int, currency: str) -> str:
    """Return minor units as money, `€123.45`."""
    return format_currency(
        amount / 10 ** get_currency_precision(currency), currency, locale=_LOCALE
    )


def as_text(found: Indicators, zone: ZoneInfo) -> str:
    """Return the three indicators, then where entries went wrong. Days are those of `zone`."""
    first = found.start.astimezone(zone).date()
    last = (found.end.astimezone(zone) - timedelta(days=1)).date()
    period = f"{first}" if first == last else f"{first} to {last}"
    lines = [f"{period}, transactions: {found.transactions}"]
    lines += [
        f"recovery rate ({r.currency}): {_percent(r.rate)}"
        f"  ({money(r.recovered, r.currency)} of {money(r.due, r.currency)})"
        for r in found.recovery
    ] or ["recovery rate: –"]
    lines += [
        f"not completed: {_percent(found.not_completed_rate)}  ({found.not_completed})",
        f"with an entry error: {_percent(found.entry_error_rate)}  ({found.with_entry_error})",
    ]
    lines += [f"  {e.step}: {e.error}  {e.errors}" for e in found.errors]
    return "\n".join(lines)


def as_json(found: Indicators) -> str:
    """Return the same figures as one JSON object."""
    rates = {
        "not_completed_rate": found.not_completed_rate,
        "entry_error_rate": found.entry_error_rate,
    }
    recovery = [{**asdict(r), "rate": r.rate} for r in found.recovery]
    return json.dumps({**asdict(found), "recovery": recovery, **rates}, default=_iso)


def _percent(rate: float | None) -> str:
    return "–" if rate is None else format_percent(rate, format="#,##0.0 %", locale=_LOCALE)


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
