"""Registering at a trunk or PBX, and staying registered (RFC 3261 §10.2, RFC 5626 §4.5).

OFF ── start() ──► REGISTERING ── 200 ──► REGISTERED ── refresh ──┐
▲  │  ▲                                     │
│  │  └─────────────────────────────────────┘
│  └── refused, no answer ──► WAITING
└──────── back-off ─────────────┘
stop() ──► UNREGISTERING ── answered or not ──► OFF
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import structlog
from twisted.internet.defer import Deferred

from ivr.clock import DelayedCall
from ivr.sip.address import Address
from ivr.sip.errors import MalformedMessageError
from ivr.sip.exchange import Exchange, ExchangeHost
from ivr.sip.grammar import to_int
from ivr.sip.line import Line
from ivr.sip.message import Response
from ivr.sip.name_addr import NameAddr, parse_name_addr
from ivr.sip.outcome import Outcome
from ivr.sip.request_out import Draft, new_call_id, new_tag

log = structlog.get_logger()

REFRESH_AT = (0.75, 0.85)
"""The parts of the expiry between which a registration is refreshed, at random."""
FIRST_WAIT = 30.0
"""Seconds after the first failure; doubled with each further one (RFC 5626 §4.5)."""
LONGEST_WAIT = 1800.0
"""Seconds after many failures, and after a refusal that a further try will not change."""
_HOPELESS = frozenset({401, 403, 404, 407, 410})
_MAX_EXPIRES = 2**31


class Registered(StrEnum):
    """How a registration stands."""

    OFF = "off"
    REGISTERING = "registering"
    REGISTERED = "registered"
    WAITING = "waiting"
    """It failed, and will be tried again."""
    UNREGISTERING = "unregistering"


@dataclass(frozen=True, slots=True)
class RegistrationStatus:
    """A registration at one moment; times are in the clock's seconds.

    `expires_at` is None while nobody knows us there. `failures` counts those in a
    row, `last` is the last outcome, `next_try_at` when something will be sent.
    """

    state: Registered
    since: float
    expires_at: float | None = None
    failures: int = 0
    last: Outcome | None = None
    next_try_at: float | None = None


class Registration:
    """Keeps one address of record registered with one Contact.

    `on_change` hears of each new status; `below` returns a random number below its
    argument.
    """

    def __init__(
        self,
        host: ExchangeHost,
        line: Line,
        on_change: Callable[[RegistrationStatus], object] = lambda _: None,
        below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._host = host
        self._line = line
        self._on_change = on_change
        self._below = below
        trunk = line.trunk
        who = f"<{trunk.address_of_record}>"
        self._draft = Draft(
            "REGISTER",
            trunk.home().text,
            who,
            f"{who};tag={new_tag()}",
            new_call_id(),
            routes=line.routes,
        )
        self._asked = trunk.register_expires
        self._exchange: Exchange | None = None
        self._timer: DelayedCall | None = None
        self._stopped: list[Deferred[None]] = []
        self.status = RegistrationStatus(Registered.OFF, host.clock.seconds())

    @property
    def registered(self) -> bool:
        """Whether we are known there now, perhaps while a refresh is under way."""
        expires_at = self.status.expires_at
        return expires_at is not None and expires_at > self._host.clock.seconds()

    def start(self) -> None:
        """Register, and stay registered until `stop`."""
        if self.status.state is Registered.OFF:
            self._register()

    def stop(self) -> Deferred[None]:
        """Unregister; fires when that was answered or given up. Idempotent."""
        done: Deferred[None] = Deferred()
        self._stopped.append(done)
        if self.status.state is Registered.UNREGISTERING:
            return done
        self._cancel()
        if self.registered:
            self._change(Registered.UNREGISTERING, next_try_at=None)
            self._send(0, self._unregistered)
        else:
            self._off()
        return done

    def close(self) -> None:
        """Cancel the timer and send nothing any more."""
        self._cancel()
        self._off()

    # Inside:

    def _register(self) -> None:
        self._timer = None
        self._change(Registered.REGISTERING, next_try_at=None)
        self._send(self._asked, self._answered)

    def _send(self, expires: int, then: Callable[[Outcome, Response | None], None]) -> None:
        def lines(to: Address) -> list[tuple[str, str]]:
            contact = self._contact(to)
            return [
                ("Contact", f"{contact};expires={expires}"),
                ("Expires", str(expires)),
                ("User-Agent", self._host.identity.name),
            ]

        self._exchange = Exchange(self._host, self._line, self._draft, then, lines)
        self._exchange.start()

    def _answered(self, outcome: Outcome, response: Response | None) -> None:
        self._exchange = None
        granted = 0 if response is None or not outcome.ok else self._granted(response)
        if granted:
            self._accepted(outcome, granted)
        elif outcome.status == 423 and response is not None and self._lengthen(response):
            self._send(self._asked, self._answered)
        else:
            self._failed(outcome)

    def _accepted(self, outcome: Outcome, seconds: int) -> None:
        now = self._host.clock.seconds()
        low, high = (int(1000 * part) for part in REFRESH_AT)
        delay = seconds * (low + self._below(high - low + 1)) / 1000
        self._timer = self._host.clock.callLater(delay, self._register)
        self._change(
            Registered.REGISTERED,
            expires_at=now + seconds,
            failures=0,
            last=outcome,
            next_try_at=now + delay,
        )

    def _failed(self, outcome: Outcome) -> None:
        failures = self.status.failures + 1
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 10))
        if outcome.status in _HOPELESS and not outcome.local:
            # The password is wrong: asking often locks accounts.
            longest = LONGEST_WAIT
        # RFC 5626 §4.5: at random between a half and all of it.
        delay = longest * (500 + self._below(501)) / 1000
        delay = max(delay, outcome.retry_after or 0)
        now = self._host.clock.seconds()
        self._timer = self._host.clock.callLater(delay, self._register)
        log.warning(
            "sip-not-registered",
            trunk=self._line.trunk.name,
            status=outcome.status,
            failures=failures,
            next_try=round(delay),
        )
        self._change(
            Registered.WAITING, failures=failures, last=outcome, next_try_at=now + delay
        )

    def _unregistered(self, outcome: Outcome, response: Response | None) -> None:  # noqa: ARG002
        self._exchange = None
        self._off()

    def _off(self) -> None:
        self.status = RegistrationStatus(Registered.OFF, self._host.clock.seconds())
        self._on_change(self.status)
        stopped, self._stopped = self._stopped, []
        for one in stopped:
            one.callback(None)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._exchange is not None:
            self._exchange.stop()
            self._exchange = None

    def _lengthen(self, response: Response) -> bool:
        """Take a 423; return whether the request is worth another try (§10.2.8)."""
        least = to_int(response.headers.get("Min-Expires"), _MAX_EXPIRES)
        if least is None or least <= self._asked:
            return False
        self._asked = least
        return True

    def _contact(self, to: Address) -> str:
        """Return our Contact there: its user and `line` tell whose calls come to it."""
        _, value = self._host.identity.contact(self._line.trunk.home().scheme, to)
        scheme, _, rest = value.strip("<>").partition(":")
        user = self._line.trunk.contact_user
        return f"<{scheme}:{user}@{rest};line={self._line.token}>"

    def _granted(self, response: Response) -> int:
        """Return the seconds we are known there for (§10.2.4): ours among all contacts."""
        expires = response.headers.get("Expires")
        for contact in _contacts(response):
            if contact.uri.param("line") == self._line.token:
                expires = contact.param("expires") or expires
        seconds = to_int(expires, _MAX_EXPIRES) if expires else None
        return self._asked if seconds is None else seconds

    def _change(self, state: Registered, **more: Any) -> None:
        now = self._host.clock.seconds()
        since = self.status.since if state is self.status.state else now
        self.status = replace(self.status, state=state, since=since, **more)
        self._on_change(self.status)


def _contacts(response: Response) -> list[NameAddr]:
    try:
        found = [parse_name_addr(one) for one in response.headers.values("Contact")]
        return [one for one in found if one.uri.is_sip]
    except MalformedMessageError:
        return []
