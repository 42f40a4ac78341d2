"""What the ledger holds once a call of the demo is over."""

from ivr.demo.follow import Event, Say
from ivr.demo.stage import Stage
from ivr.kpi_report import money
from ivr.vocabulary import EventType


async def report_of(
    stage: Stage, told: list[Event], transaction_id: str, say: Say
) -> dict[str, object]:
    """Ask the monitor for a transaction, say what became of it, and return that."""
    async with stage.client() as client:
        answer = await client.get(f"/api/v1/transactions/{transaction_id}")
    answer.raise_for_status()
    found = answer.json()
    for attempt in found["attempts"]:
        paid = money(attempt["amount"], attempt["currency"])
        card = f"{attempt['brand']} ending {attempt['last4']}"
        say(f"\nledger: attempt {attempt['state']}: {paid} by {card}")
        say(f"        {attempt['gateway']} reference {attempt['reference']}")
    due, paid = (
        money(found[name] or 0, found["currency"] or "EUR")
        for name in ("amount_due", "amount_paid")
    )
    say(f"ledger: transaction {found['result']}: {paid} paid of {due} due")
    say(f"\n{(await stage.command('kpi')).strip()}")
    return {
        "result": found["result"],
        "amount": found["amount_paid"],
        "currency": found["currency"],
        "steps": [e["step"] for e in told if e["type"] == EventType.STEP_ENTERED],
        "entry_errors": [
            e["data"]["error"] for e in told if e["type"] == EventType.ENTRY_ERROR
        ],
    }
