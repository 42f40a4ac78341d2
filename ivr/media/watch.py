"""Nothing comes from the peer: it has moved, or the call is dead."""

from collections.abc import Callable

from ivr.clock import Clock, DelayedCall

_MOVED = 3.0
_PACKETS = 3
"""Losses in a row of which the next would be a rarity, on a line that can be understood."""
_SLACK = 0.001


class Watch:
    """Waits for packets of one leg, while they are to be expected.

    `on_moved` is called once after three seconds without a packet, `on_silence` once
    after `silence` seconds without a sign of life; both again when packets have come in
    between. Where packets are expected seldom, at least three of them must be missing.
    """

    __slots__ = (
        "_alive_at",
        "_call",
        "_clock",
        "_heard_at",
        "_on_moved",
        "_on_silence",
        "_silence",
        "_spacing",
        "_told_moved",
        "_told_silence",
    )

    def __init__(
        self,
        clock: Clock,
        silence: float,
        on_moved: Callable[[], object],
        on_silence: Callable[[], object],
    ) -> None:
        """`silence` is in seconds; 0 for a leg that may be silent for ever."""
        self._clock = clock
        self._silence = silence
        self._on_moved = on_moved
        self._on_silence = on_silence
        self._call: DelayedCall | None = None
        self._heard_at = 0.0
        self._alive_at = 0.0
        self._spacing = 0.0
        self._told_moved = False
        self._told_silence = False

    def expect(self) -> None:
        """Wait from now on, anew. Nothing happens when it waits already."""
        if self._call is None:
            self._heard_at = self._alive_at = self._clock.seconds()
            self._told_moved = self._told_silence = False
            self._wait()

    def rest(self) -> None:
        """Expect nothing: the call is on hold, or over."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def hear(self, at: float) -> None:
        """Note that a packet came at `at` seconds."""
        self._heard_at = self._alive_at = at
        self._told_moved = self._told_silence = False

    def note_life(self, at: float) -> None:
        """Note a sign of life other than a packet of the stream."""
        self._alive_at = at
        self._told_silence = False

    def expect_each(self, spacing: float) -> None:
        """Expect a packet in `spacing` seconds, not oftener."""
        self._spacing = spacing

    def _wait(self) -> None:
        now = self._clock.seconds()
        due = [now + _MOVED]
        if not self._told_moved:
            due.append(self._due(self._heard_at, _MOVED))
        if self._minds_silence:
            due.append(self._due(self._alive_at, self._silence))
        self._call = self._clock.callLater(max(_SLACK, min(due) - now), self._look)

    @property
    def _waits(self) -> bool:
        return self._call is not None

    @property
    def _minds_silence(self) -> bool:
        return self._silence > 0 and not self._told_silence

    def _due(self, since: float, patience: float) -> float:
        return since + max(patience, _PACKETS * self._spacing)

    def _look(self) -> None:
        self._call = None
        now = self._clock.seconds() + _SLACK
        moved = not self._told_moved and now >= self._due(self._heard_at, _MOVED)
        silent = (
            bool(self._silence)
            and not self._told_silence
            and now >= self._due(self._alive_at, self._silence)
        )
        self._told_moved |= moved
        self._told_silence |= silent
        self._wait()
        if moved:
            self._on_moved()
        if silent and self._waits:
            self._on_silence()
