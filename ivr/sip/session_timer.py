"""Session timers: a call whose other side is gone does not live for ever (RFC 4028).

One side, the refresher, sends UPDATE or re-INVITE at half of the session interval.
Whoever sees no refresh says BYE shortly before the interval ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ivr.clock import Clock, DelayedCall
from ivr.sip.admission import Reply
from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import param_of, parse_params, to_int
from ivr.sip.message import Message, Request, Response

SHORTEST = 90
"""Seconds: no interval may be shorter (§5)."""
OPTION = "timer"
_MARGIN = 32.0
_NEXT_TRY = 5.0
"""Seconds from a refresh that failed to the next, at the least."""

Lines = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TimerPolicy:
    """What session intervals we want, in seconds.

    `interval` is what we ask for; 0 asks for none, and takes what others ask for.
    `minimum` is the shortest that we take.
    """

    interval: int = 1800
    minimum: int = SHORTEST

    def __post_init__(self) -> None:
        if self.minimum < SHORTEST or 0 < self.interval < self.minimum:
            raise ValueError(f"a session interval is at least {SHORTEST} s, and the minimum")


class SessionTimer:
    """The timer of one session, whichever side refreshes it.

    `on_refresh` is called when a refresh of ours is due, `on_expiry` when the other
    side is to be taken for gone.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_ends_at",
        "_minimum",
        "_on_expiry",
        "_on_refresh",
        "_policy",
        "_wish",
        "interval",
        "ours",
    )

    def __init__(
        self,
        clock: Clock,
        policy: TimerPolicy,
        on_refresh: Callable[[], object],
        on_expiry: Callable[[], object],
    ) -> None:
        self.interval = 0
        """The interval agreed on, in seconds; 0 while no timer runs."""
        self.ours = False
        """Whether we are the refresher."""
        self._clock = clock
        self._policy = policy
        self._on_refresh = on_refresh
        self._on_expiry = on_expiry
        self._wish = policy.interval
        self._minimum = policy.minimum
        self._ends_at = 0.0
        self._call: DelayedCall | None = None

    # The other side asks:

    def answer(self, request: Request) -> Lines:
        """Start anew with the 2xx to `request`; return the headers for that (§9).

        `too_brief` has looked at the request.
        """
        asked, refresher = _expires(request)
        supports = _supports(request)
        if not asked and supports and self._policy.interval:
            asked = max(self._policy.interval, _min_se(request))
        if asked < SHORTEST:  # none, or one that nobody may ask for
            self.stop()
            return []
        if not supports:
            refresher = "uas"
        elif not refresher:
            refresher = "uac"
        self._start(asked, ours=refresher == "uas")
        lines = [("Session-Expires", f"{asked};refresher={refresher}")]
        return [*lines, ("Require", OPTION)] if supports else lines

    # We ask:

    def ask(self) -> Lines:
        """Return what an INVITE or UPDATE of ours says of the interval (§7.1, §7.4)."""
        lines = [("Min-SE", str(self._minimum))] if self._minimum > SHORTEST else []
        if self.interval:
            refresher = "uac" if self.ours else "uas"
            return [("Session-Expires", f"{self.interval};refresher={refresher}"), *lines]
        return [("Session-Expires", str(self._wish)), *lines] if self._wish else []

    def too_short(self, response: Response) -> bool:
        """Take a 422; return whether the request is worth another try (§7.3)."""
        least = _min_se(response)
        asked = self.interval or self._wish
        if response.status != 422 or least <= asked:
            return False
        self._minimum = max(self._minimum, least)
        self._wish = least
        if self.interval:
            self.interval = least
        return True

    def accepted(self, response: Response) -> None:
        """Start anew as a 2xx to a request of ours says (§7.2)."""
        agreed, refresher = _expires(response)
        if agreed < SHORTEST:
            self.stop()
        else:
            self._start(agreed, ours=refresher != "uas")

    def stop(self) -> None:
        """Watch over nothing any more. Idempotent."""
        self.interval = 0
        self._cancel()

    # Inside:

    def _start(self, interval: int, *, ours: bool) -> None:
        self._cancel()
        self.interval = interval
        self.ours = ours
        # §10: the BYE goes out a little before, so that it crosses no late refresh.
        lasts = interval - min(_MARGIN, interval / 3)
        self._ends_at = self._clock.seconds() + lasts
        self._call = self._clock.callLater(interval / 2 if ours else lasts, self._fire)

    def _fire(self) -> None:
        self._call = None
        left = self._ends_at - self._clock.seconds()
        if left <= 0:
            self.interval = 0
            self._on_expiry()
            return
        self._call = self._clock.callLater(min(left, max(left / 2, _NEXT_TRY)), self._fire)
        self._on_refresh()

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None


def too_brief(request: Request, policy: TimerPolicy) -> Reply | None:
    """Return why the interval that an INVITE or UPDATE asks for is too short (§9).

    Raise MalformedMessageError.
    """
    asked, _ = _expires(request)
    _min_se(request)
    if 0 < asked < policy.minimum and _supports(request):
        return Reply(422, (("Min-SE", str(policy.minimum)),))
    return None


def _supports(request: Request) -> bool:
    return OPTION in request.headers.values("Supported") or OPTION in request.headers.values(
        "Require"
    )


def _expires(message: Message) -> tuple[int, str]:
    """Return the seconds and the refresher of Session-Expires; 0 and "" without one."""
    text = message.headers.get("Session-Expires")
    if not text:
        return 0, ""
    seconds, params = _delta(text)
    refresher = (param_of(params, "refresher") or "").lower()
    return seconds, refresher if refresher in ("uac", "uas") else ""


def _min_se(message: Message) -> int:
    text = message.headers.get("Min-SE")
    return max(SHORTEST, _delta(text)[0]) if text else SHORTEST


def _delta(text: str) -> tuple[int, tuple[tuple[str, str | None], ...]]:
    number, mark, rest = text.partition(";")
    seconds = to_int(number.strip(" \t"), 2**31)
    if seconds is None:
        raise MalformedMessageError("Malformed Session-Expires or Min-SE header field")
    return seconds, parse_params(mark + rest)
