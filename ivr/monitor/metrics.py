"""Prometheus metrics, counted by the ledger at each scrape: a restart loses none.

Labels are words of the vocabulary; anything else becomes `other`, so that no row can
make a series of its own; trunks bear the names that the settings give them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger.database import Database
from ivr.ledger.totals import Totals, totals
from ivr.ledger.trunks import TrunkRow
from ivr.vocabulary import AttemptState, EntryError, Result, Step

_OTHER = "other"


class LedgerCollector(Collector):
    """Metric families of one reading of the ledger."""

    def __init__(self, read: Totals) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield each family once."""
        read = self._read
        live = GaugeMetricFamily("solde_calls_live", "Calls that have not ended")
        live.add_metric([], read.live_calls)
        yield live
        states = GaugeMetricFamily(
            "solde_transactions", "Transactions by result, or open", labels=["result"]
        )
        states.add_metric(["open"], read.open_transactions)
        for result, count in _known(read.transactions, Result).items():
            states.add_metric([result], count)
        yield states
        attempts = GaugeMetricFamily(
            "solde_payment_attempts", "Payment attempts by state", labels=["state"]
        )
        for state, count in _known(read.attempts, AttemptState).items():
            attempts.add_metric([state], count)
        yield attempts
        errors = CounterMetricFamily(
            "solde_entry_errors", "Entries not taken", labels=["step", "error"]
        )
        for (step, error), count in _errors(read.entry_errors).items():
            errors.add_metric([step, error], count)
        yield errors
        recovered = CounterMetricFamily(
            "solde_recovered_minor_units",
            "Amount charged, in minor units of the currency",
            labels=["currency"],
        )
        for currency, amount in read.recovered.items():
            recovered.add_metric([currency], amount)
        yield recovered
        yield from _trunks(read.trunks)


async def metrics_response(database: Database, request: Request) -> Response:
    """Count, and answer in the format that the scraper asks for."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LedgerCollector(await totals(database)))
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Content-Type": content_type})


def _trunks(rows: Iterable[TrunkRow]) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "solde_trunk_up", "Whether a trunk answers our OPTIONS", labels=["node", "trunk"]
    )
    registered = GaugeMetricFamily(
        "solde_trunk_registered",
        "Whether we are registered at a trunk",
        labels=["node", "trunk"],
    )
    for row in rows:
        for family, holds in ((up, row.up), (registered, row.registered)):
            if holds is not None:
                family.add_metric([row.node, row.name], holds)
    yield up
    yield registered


def _known(counts: Mapping[str, int], words: Iterable[StrEnum]) -> dict[str, int]:
    found: dict[str, int] = {word.value: 0 for word in words}
    for word, count in counts.items():
        name = word if word in found else _OTHER
        found[name] = found.get(name, 0) + count
    return found


def _errors(counts: Mapping[tuple[str, str], int]) -> Counter[tuple[str, str]]:
    steps, errors = set(Step), set(EntryError)
    found: Counter[tuple[str, str]] = Counter()
    for (step, error), count in counts.items():
        found[step if step in steps else _OTHER, error if error in errors else _OTHER] += count
    return found
