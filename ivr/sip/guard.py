"""What strangers may cost us: the one seam between the network and the user agent.

    bytes ──► hears? ──► parse ──► malformed: answered? ──► 400
      │         │no        └─────► judge ──► 403, 503, nothing, or on it goes
      └ dropped ┘

Whoever is not worth an answer costs a look into a table.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ivr.clock import Clock
from ivr.sip.access import AccessList
from ivr.sip.address import Address
from ivr.sip.admission import Reply
from ivr.sip.buckets import SOURCES, TokenBuckets
from ivr.sip.message import Request
from ivr.sip.overload import LagMeter
from ivr.sip.stream import MAX_MESSAGE

NO_REPLY = Reply(0)
"""A request that is not answered at all."""
RETRY_AFTER = 5
"""Seconds that one who calls too often is asked to wait."""
TIME_OUT = 10.0
"""Seconds for which a stranger who sends nothing but nonsense is not listened to."""

_ANSWER = b"SIP/2.0 "
_BURST = 2.0  # seconds' worth of tokens
_ALL = ""
_BAD_OF_ALL = 10.0
"""How many times the malformed messages of one source are answered of all together."""
_SCANNER = re.compile(
    rb"\r\nUser-Agent[ \t]*+:[^\r]*?"
    rb"(?:friendly-scanner|friendly-request|sipvicious|sipcli|sip-scan|sundayddr|sivus"
    rb"|vaxsipuseragent|iwar|smap|pplsip|sipptk)",
    re.IGNORECASE,
)


class Treatment(StrEnum):
    """What becomes of those who are not welcome."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    """Their requests get 403."""
    DROP = "drop"
    """They get nothing, and nothing of theirs is read."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is allowed. Rates are per second and source, 0 for no limit.

    `known` are the networks of trunks and of one's own; `denied` are never heard.
    `unknown` is for everybody else, `scanners` for tools known by their User-Agent.
    `requests` counts what a stranger asks outside calls: REGISTER, OPTIONS and the
    like. `malformed` counts nonsense: more of it is not answered, and strangers are not
    listened to for a while. `max_message` is in bytes.
    """

    known: AccessList | None = None
    denied: AccessList = field(default_factory=AccessList)
    unknown: Treatment = Treatment.ACCEPT
    scanners: Treatment = Treatment.DROP
    calls: float = 0.0
    calls_at_once: int = 0
    registrations: float = 0.0
    requests: float = 50.0
    malformed: float = 10.0
    max_message: int = MAX_MESSAGE


class Guard:
    """Decides what is heard, and what is answered.

    `calls_from` says how many calls are live with a host: who talks to us is no
    stranger. Nor is who has `proven` by TLS to be known. `lag` tells when no new call
    can be served in time.
    """

    def __init__(
        self, clock: Clock, policy: Policy | None = None, lag: LagMeter | None = None
    ) -> None:
        self.calls_from: Callable[[str], int] = _no_calls
        self.proven: Callable[[Address], bool] = _nobody
        self._clock = clock
        self._policy = policy = policy or Policy()
        self._lag = lag
        self._calls = _limit(clock, policy.calls)
        self._registrations = _limit(clock, policy.registrations)
        self._requests = _limit(clock, policy.requests)
        self._malformed = _limit(clock, policy.malformed)
        self._malformed_of_all = _limit(clock, policy.malformed * _BAD_OF_ALL)
        # Until when a host is not listened to, in the order they were shut out.
        self._out: dict[str, float] = {}
        self.dropped = 0

    @property
    def overloaded(self) -> bool:
        """Whether new calls have to wait."""
        return self._lag is not None and self._lag.overloaded

    def admits(self, host: str, *, may_prove: bool = False) -> bool:
        """Whether a host may connect; `may_prove` where it can show a certificate then."""
        return self._listens(Address(host, 0), welcome=may_prove)

    def hears(self, data: bytes, source: Address) -> bool:
        """Whether a message is read at all."""
        heard = (
            # Whom we asked may answer, wherever DNS has led.
            self._listens(source, welcome=data.startswith(_ANSWER))
            and len(data) <= self._policy.max_message
            and not (self._policy.scanners is Treatment.DROP and _SCANNER.search(data))
        )
        if not heard:
            self.dropped += 1
        return heard

    def answers_malformed(self, source: Address) -> bool:
        """Whether nonsense from `source` is logged and answered."""
        host = source.host
        if self._malformed is None or self._malformed.take(host):
            every = self._malformed_of_all
            return every is None or every.take(_ALL)
        if not self._is_known(source) and not self.calls_from(host):
            if len(self._out) >= SOURCES:
                del self._out[next(iter(self._out))]
            self._out[host] = self._clock.seconds() + TIME_OUT
        return False

    def judge(self, request: Request, source: Address) -> Reply | None:
        """Return why a request that begins something is refused; None when it may."""
        host, policy = source.host, self._policy
        known = self._is_known(source)
        if policy.unknown is Treatment.REFUSE and not known:
            return Reply(403)
        if policy.scanners is Treatment.REFUSE and _is_scanner(request):
            return Reply(403)
        if request.method == "INVITE":
            if self._calls is not None and not self._calls.take(host):
                return _later("Too many calls a second")
            if policy.calls_at_once and self.calls_from(host) >= policy.calls_at_once:
                return _later("Too many calls at once")
            return None
        if not known and self._requests is not None and not self._requests.take(host):
            return NO_REPLY
        if request.method == "REGISTER" and self._registrations is not None:
            return None if self._registrations.take(host) else NO_REPLY
        return None

    def _listens(self, source: Address, *, welcome: bool) -> bool:
        policy, host = self._policy, source.host
        if not policy.denied.admits(host):
            return False
        if policy.unknown is Treatment.DROP and not welcome and not self._is_known(source):
            return False
        until = self._out.get(host)
        if until is None:
            return True
        if self._clock.seconds() < until and not self.calls_from(host):
            return False
        del self._out[host]
        return True

    def _is_known(self, source: Address) -> bool:
        known = self._policy.known
        return (known is not None and known.admits(source.host)) or self.proven(source)


def _limit(clock: Clock, rate: float) -> TokenBuckets | None:
    return TokenBuckets(clock, rate, max(1.0, rate * _BURST)) if rate else None


def _later(why: str) -> Reply:
    return Reply(503, (("Retry-After", str(RETRY_AFTER)),), why)


def _is_scanner(request: Request) -> bool:
    agent = f"\r\nUser-Agent: {request.headers.get('User-Agent')}"
    return _SCANNER.match(agent.encode("utf-8", "surrogateescape")) is not None


def _nobody(source: Address) -> bool:  # noqa: ARG001 - without TLS
    return False


def _no_calls(host: str) -> int:  # noqa: ARG001 - until a user agent is there
    return 0
