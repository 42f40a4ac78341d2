"""Sockets that are read together: each once in a period, none because of another's error."""

import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from twisted.internet.task import Clock

from ivr.media.readers import PERIOD, Readers


class Ear:
    """A reader of one socket, which may stumble over what it hears."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.heard: list[bytes] = []

    def fileno(self) -> int:
        return self.near.fileno()

    def doRead(self) -> None:  # noqa: N802
        octets = self.near.recv(100)
        if octets == b"stumble":
            raise ValueError(octets)
        self.heard.append(octets)

    def logPrefix(self) -> str:  # noqa: N802
        return "ear"

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        raise AssertionError(reason)


@pytest.fixture
def ears() -> Iterator[list[Ear]]:
    made = [Ear() for _ in range(3)]
    yield made
    for ear in made:
        ear.near.close()
        ear.far.close()


def test_each_reads_once_in_a_period_however_much_there_is(ears: list[Ear]) -> None:
    clock = Clock()
    readers = Readers(clock)
    for ear in ears:
        readers.addReader(ear)
    for number in range(5):
        ears[0].far.send(b"%d" % number)
    ears[2].far.send(b"once")
    assert [ear.heard for ear in ears] == [[], [], []]
    clock.advance(PERIOD)
    assert [ear.heard for ear in ears] == [[b"0"], [], [b"once"]]
    clock.pump([PERIOD] * 9)
    assert [ear.heard for ear in ears] == [[b"0", b"1", b"2", b"3", b"4"], [], [b"once"]]


def test_an_error_of_one_stops_nobody_and_is_logged_without_its_words(ears: list[Ear]) -> None:
    clock = Clock()
    readers = Readers(clock)
    for ear in ears:
        readers.addReader(ear)
        ear.far.send(b"stumble")
        ear.far.send(b"again")
    with capture_logs() as logs:
        clock.pump([PERIOD] * 2)
    assert [ear.heard for ear in ears] == [[b"again"]] * 3
    assert [line["event"] for line in logs] == ["media.read_failed"] * 3
    assert "stumble" not in str(logs)


def test_the_timer_runs_only_while_there_are_readers(ears: list[Ear]) -> None:
    clock = Clock()
    readers = Readers(clock)
    for ear in ears:
        readers.addReader(ear)
    for ear in ears:
        readers.removeReader(ear)
    assert clock.getDelayedCalls() == []
    readers.addReader(ears[1])
    ears[1].far.send(b"back")
    clock.advance(PERIOD)
    assert ears[1].heard == [b"back"]


def test_who_leaves_while_others_read_leaves_no_timer(ears: list[Ear]) -> None:
    clock = Clock()
    readers = Readers(clock)

    class Last(Ear):
        def doRead(self) -> None:  # noqa: N802
            super().doRead()
            readers.removeReader(self)

    last = Last()
    readers.addReader(last)
    last.far.send(b"bye")
    clock.advance(PERIOD)
    assert (last.heard, clock.getDelayedCalls()) == ([b"bye"], [])
    last.near.close()
    last.far.close()


def test_a_closed_socket_is_refused(ears: list[Ear]) -> None:
    ears[0].near.close()
    with pytest.raises((OSError, ValueError)):
        Readers(Clock()).addReader(ears[0])
