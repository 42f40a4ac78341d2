"""Whether a trunk is up: OPTIONS pings with hysteresis (RFC 3261 §11).

UNKNOWN ── answer ──► UP ── 3 failures in a row ──► DOWN ── 2 answers in a row ──► UP
└── 3 failures in a row ─────────────────────────►┘
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog

from ivr.clock import DelayedCall
from ivr.sip.address import Address
from ivr.sip.exchange import Exchange, ExchangeHost
from ivr.sip.line import Line
from ivr.sip.message import Response
from ivr.sip.outcome import Outcome
from ivr.sip.request_out import Draft, new_call_id, new_tag

log = structlog.get_logger()

DOWN_AFTER = 3
UP_AFTER = 2
FAST = 10.0
"""Seconds between two pings, at the most, while the state is in doubt or DOWN."""
_FAILURES = frozenset({408, 503, 504})


class LineState(StrEnum):
    """What is known of the other side."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class LineStatus:
    """A trunk at one moment; `since` is in the clock's seconds.

    `in_a_row` counts the pings that speak against `state`, `round_trip` is that of
    the last answer in seconds, `last` the last outcome.
    """

    state: LineState
    since: float
    in_a_row: int = 0
    round_trip: float | None = None
    last: Outcome | None = None


class Watch:
    """Pings one trunk. Any answer but 408, 503 and 504 shows that it is there.

    `on_change` hears when `state` changes; `status` is the latest.
    """

    def __init__(
        self,
        host: ExchangeHost,
        line: Line,
        on_change: Callable[[LineStatus], object] = lambda _: None,
        below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._host = host
        self._line = line
        self._on_change = on_change
        self._below = below
        self._exchange: Exchange | None = None
        self._timer: DelayedCall | None = None
        self._sent_at = 0.0
        self.status = LineStatus(LineState.UNKNOWN, host.clock.seconds())

    @property
    def is_down(self) -> bool:
        """Whether the other side is known not to be there."""
        return self.status.state is LineState.DOWN

    def start(self) -> None:
        """Ping at once and from then on, if the trunk is configured so."""
        if self._line.trunk.ping_interval and self._timer is None and self._exchange is None:
            self._ping()

    def close(self) -> None:
        """Ping no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._exchange is not None:
            self._exchange.stop()
            self._exchange = None

    def _ping(self) -> None:
        self._timer = None
        self._sent_at = self._host.clock.seconds()
        trunk = self._line.trunk
        home = trunk.home().text
        from_ = trunk.from_(self._host.identity.local.in_uri())
        draft = Draft(
            "OPTIONS",
            home,
            f"<{home}>",
            f"{from_};tag={new_tag()}",
            new_call_id(),
            routes=self._line.routes,
            lines=(("Accept", "application/sdp"), ("User-Agent", self._host.identity.name)),
        )

        def contact(to: Address) -> list[tuple[str, str]]:
            return [self._host.identity.contact(to=to)]

        self._exchange = Exchange(self._host, self._line, draft, self._answered, contact)
        self._exchange.start()

    def _answered(self, outcome: Outcome, response: Response | None) -> None:
        self._exchange = None
        clock = self._host.clock
        there = response is not None and outcome.status not in _FAILURES
        trip = clock.seconds() - self._sent_at if there else self.status.round_trip
        old = self.status
        self.status = replace(self._next(there), round_trip=trip, last=outcome)
        interval = self._line.trunk.ping_interval
        if self.status.in_a_row or self.status.state is not LineState.UP:
            interval = min(interval, FAST)
        # Many trunks are not to be pinged in the same moment.
        self._timer = clock.callLater(interval * (900 + self._below(201)) / 1000, self._ping)
        if old.state is not self.status.state:
            log.info("sip-trunk", trunk=self._line.trunk.name, state=self.status.state)
            self._on_change(self.status)

    def _next(self, there: bool) -> LineStatus:
        """Return the status after one ping."""
        now = self._host.clock.seconds()
        status = self.status
        match status.state, there:
            case (LineState.UNKNOWN, True):
                return LineStatus(LineState.UP, now)
            case (LineState.UP, True) | (LineState.DOWN, False):
                return replace(status, in_a_row=0)
        row = status.in_a_row + 1
        if row < (UP_AFTER if there else DOWN_AFTER):
            return replace(status, in_a_row=row)
        return LineStatus(LineState.UP if there else LineState.DOWN, now)
