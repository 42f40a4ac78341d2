"""Debtors pay while strangers send 2,000 bad messages a second to every port there is."""

from pathlib import Path

from ivr.demo.stage import NUMBERS, Stage
from tests.end_to_end.attack import attack
from tests.end_to_end.sipp import PAY, run_sipp
from tests.end_to_end.test_many_calls import capture, euros, expected, listed, reference, told

CALLS = 10
RATE = 2000
SECONDS = 20
"""The callers take longer than that."""


async def test_calls_are_paid_under_attack_and_nobody_else_gets_through(tmp_path: Path) -> None:
    debts = tmp_path / "debts.csv"
    rows = [f"{reference(n)},{euros(n)}\n" for n in range(CALLS)]
    debts.write_text("reference,amount\n" + "".join(rows))
    sipp = tmp_path / "sipp"
    sipp.mkdir()
    async with Stage(tmp_path / "stage", debts=debts) as stage:
        first = int(stage.environment["SOLDE_MEDIA__FIRST_PORT"])
        # The first calls get the first ports.
        async with attack(stage.sip_port, (first, first + 4 * CALLS), RATE) as attacked:
            result = await run_sipp(
                PAY,
                stage.registrar,
                directory=sipp,
                number=NUMBERS["fr"],
                calls=CALLS,
                pcaps=[capture(tmp_path, n) for n in range(CALLS)],
                within=120,
            )
        assert (result.exit_code, result.succeeded, result.failed) == (0, CALLS, 0), (
            result.errors[-3000:]
        )
        async with stage.client() as client:
            calls = await listed(client, "calls")
            paid = await listed(client, "transactions")
            kpi = (await client.get("/api/v1/kpi")).json()
    assert attacked.sent >= RATE * SECONDS
    assert len(calls) == CALLS
    assert (kpi["with_entry_error"], kpi["errors"]) == (0, [])
    assert sorted(map(told, paid)) == sorted(map(expected, range(CALLS)))
