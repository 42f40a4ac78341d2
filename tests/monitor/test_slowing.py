"""Who is slowed, for how long, and who is not."""

from datetime import timedelta

import httpx
import pytest

from ivr.ledger.database import Database
from ivr.monitor.app import create_app
from ivr.monitor.slowing import Slowing, network_of
from tests.monitor.clients import TOKEN, client_of
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


@pytest.mark.parametrize("way", ["bearer", "basic", "form", "link"])
async def test_who_guesses_tokens_is_slowed(database: Database, way: str) -> None:
    watch = Watch()
    app = create_app(database, tokens=[TOKEN], now=watch)

    def at(host: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, client=(host, 5000))
        return httpx.AsyncClient(transport=transport, base_url="http://monitor")

    async def tries(client: httpx.AsyncClient, token: str) -> httpx.Response:
        if way == "form":
            return await client.post("/", data={"token": token})
        if way == "link":
            return await client.get(f"/?token={token}")
        if way == "basic":
            return await client.get("/api/v1/calls", auth=("AC1", token))
        headers = {"Authorization": f"Bearer {token}"}
        return await client.get("/api/v1/calls", headers=headers)

    async with at("192.0.2.7") as guesser, at("192.0.2.8") as other:
        for number in range(20):
            assert (await tries(guesser, f"guess-{number}")).status_code == 401
        # The right one tells nothing either, while it is too soon.
        slow = await tries(guesser, TOKEN)
        assert (slow.status_code, slow.headers["retry-after"]) == (429, "2")
        assert (await tries(other, TOKEN)).status_code in (200, 303)
        watch.advance(2)
        assert (await tries(guesser, TOKEN)).status_code in (200, 303)


async def test_a_program_that_asks_much_is_not_slowed(database: Database) -> None:
    async with client_of(create_app(database, tokens=[TOKEN], now=Watch())) as client:
        answers = [await client.get("/api/v1/calls") for _ in range(50)]
    assert {one.status_code for one in answers} == {200}
