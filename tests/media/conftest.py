"""A node on the loopback, a leg on it, and two phones."""

from collections.abc import Iterator

import pytest

from ivr.media.leg import MediaLeg, MediaNode
from ivr.media.playout import Playout
from ivr.media.ports import PortPool
from tests.media.harness import ManualReactor, Phone


@pytest.fixture
def reactor() -> ManualReactor:
    return ManualReactor()


@pytest.fixture
def node(reactor: ManualReactor) -> MediaNode:
    return MediaNode(
        reactor=reactor,
        playout=Playout(reactor),
        ports=PortPool(41000, 41998),
        host="127.0.0.1",
        public_host="127.0.0.1",
    )


@pytest.fixture
def phone() -> Iterator[Phone]:
    phone = Phone()
    with phone.socket:
        yield phone


@pytest.fixture
def other() -> Iterator[Phone]:
    phone = Phone()
    with phone.socket:
        yield phone


@pytest.fixture
def leg(node: MediaNode) -> Iterator[MediaLeg]:
    leg = MediaLeg(node)
    yield leg
    leg.close()
