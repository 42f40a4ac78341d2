"""Who is slowed, for how long, and who is not."""

from datetime import timedelta

import httpx
import pytest

from ivr.ledger.database import Database
from ivr.monitor.app import create_app
from ivr.monitor.slowing import Slowing, network_of
from tests.monitor.clients import TOKEN
from tests.monitor.people import SIGN_IN, Watch, hire, proof, quick_hashes

__all__ = ["quick_hashes"]
LONGEST = timedelta(minutes=5)


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    watch = Watch()
    slowing = Slowing(watch, free=1, longest=LONGEST)
    assert slowing.enter("anna") == 0
    assert slowing.enter("anna") > 0
    watch.advance(-86_400)
    assert slowing.enter("anna") == 0
    # What was counted before still counts.
    assert slowing.enter("anna") > 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::/64"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("unix:", "unix:"),
    ],
)
def test_the_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_a_slowed_place_locks_no_login(database: Database) -> None:
    await hire(database, "anna")
    watch = Watch()
    app = create_app(database, tokens=[TOKEN], now=watch)

    def at(host: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, client=(host, 5000))
        return httpx.AsyncClient(transport=transport, base_url="http://monitor")

    async with at("192.0.2.7") as guesser, at("192.0.2.8") as anna:
        for number in range(20):
            await guesser.post(SIGN_IN, json={"login": f"user{number}", "password": "x"})
        for _ in range(10):
            answer = await guesser.post(SIGN_IN, json={"login": "anna", "password": "x"})
            assert answer.status_code == 429
        assert (await anna.post(SIGN_IN, json=proof("anna"))).status_code == 204
