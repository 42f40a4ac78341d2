"""The fake that the Stripe adapter is proved against must itself be strict."""

import asyncio
import json
import subprocess
import sys

import httpx
import pytest

from payment_gateway.results import Outcome
from payment_gateway.stripe_gateway import StripeGateway
from tests.fakes.stripe_api import RunningStripe
from tests.payment_gateway.bench import ask_for, card
from tests.payment_gateway.stripe_bench import StripeBench

AUTH = {"Authorization": "Bearer sk_test_fake"}
CARD = "type=card&card[number]={}&card[exp_month]=12&card[exp_year]=2039&card[cvc]=737"


async def post(url: str, form: str, **headers: str) -> tuple[int, dict[str, object]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await client.post(url, content=form, headers=AUTH | names)
    body: dict[str, object] = answer.json()
    return answer.status_code, body


@pytest.mark.parametrize(
    ("path", "form", "param"),
    [
        ("payment_intents", "currency=eur&payment_method=pm_1", "amount"),
        ("payment_intents", "amount=100&currency=eur&confirmm=true", "confirmm"),
        ("payment_methods", "type=card&card[nmber]=4242424242424242", "card[nmber]"),
        ("payment_intents", "amount=100&currency=eur&payment_method=pm_1", "payment_method"),
    ],
)
async def test_a_wrong_parameter_is_refused(
    stripe: RunningStripe, path: str, form: str, param: str
) -> None:
    status, body = await post(f"{stripe.url}/v1/{path}", form)
    error = body["error"]
    assert isinstance(error, dict)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)


async def test_a_key_answers_once_and_refuses_other_parameters(stripe: RunningStripe) -> None:
    url = f"{stripe.url}/v1/payment_methods"
    visa, mastercard = CARD.format("4242424242424242"), CARD.format("5555555555554444")
    first = await post(url, visa, Idempotency_Key="k")
    assert await post(url, visa, Idempotency_Key="k") == first
    status, body = await post(url, mastercard, Idempotency_Key="k")
    assert status == 400
    assert "idempotency_error" in json.dumps(body)
    assert len(stripe.account.methods) == 1


async def test_a_wrong_key_and_an_unknown_path_are_refused(stripe: RunningStripe) -> None:
    assert (await post(f"{stripe.url}/v1/payment_methods", "", Authorization="Bearer x"))[
        0
    ] == 401
    assert (await post(f"{stripe.url}/v1/payment_tricks", ""))[0] == 404


async def test_webhooks_are_delivered_signed(bench: StripeBench) -> None:
    received: asyncio.Future[tuple[bytes, dict[str, str]]]
    received = asyncio.get_running_loop().create_future()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = dict(line.split(": ", 1) for line in head)
        lengths = {name.lower(): value for name, value in headers.items()}
        body = await reader.readexactly(int(lengths["content-length"]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        received.set_result((body, headers))

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bench.account.webhook_url = f"http://127.0.0.1:{port}/"
    paid = await bench.gateway.purchase(ask_for("a"), card())
    notice = bench.gateway.parse_webhook(*await received)
    assert (notice.attempt_key, notice.reference) == ("a", paid.reference)
    server.close()
    await server.wait_closed()


async def test_it_runs_in_a_process_of_its_own_under_control() -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - it must outlive what it serves
        [sys.executable, "-m", "tests.fakes.stripe_api"], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        gateway = StripeGateway("sk_test_fake", api_base=url, retries=0)
        fault = json.dumps({"fault": "drop-after", "path": "/v1/payment_intents"})
        await post(f"{url}/control", fault, Content_Type="application/json")
        lost = await gateway.purchase(ask_for("a"), card())
        await gateway.close()
        async with httpx.AsyncClient(trust_env=False) as client:
            told = (await client.get(f"{url}/control")).json()
            wrong = await client.post(f"{url}/control", json={"charges": []})
        assert lost.outcome is Outcome.UNKNOWN
        assert [charged["key"] for charged in told["charges"]] == ["a"]
        assert [event["type"] for event in told["events"]] == ["payment_intent.succeeded"]
        assert wrong.status_code == 400
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
