"""The running server against its own OpenAPI document, with inputs that nobody thought of."""

import asyncio
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ivr.ledger.database import Database
from ivr.monitor import slowing
from tests.monitor.clients import BEARER, serving
from tests.monitor.story import Teller, record

EXAMPLES = 4
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
]
KNOWN = {"id": "tx-live", "CallSid": "call-live"}
NOBODY = "http://127.0.0.1:9/"
"""Where callbacks go: nothing leaves this machine."""


def _aimed(case: Any) -> None:
    """Ask about what is there, and have callbacks sent nowhere."""
    known = {name: KNOWN[name] for name in case.path_parameters if name in KNOWN}
    case.path_parameters |= known
    if isinstance(case.body, dict):
        for name in ("url", "StatusCallback"):
            if name in case.body:
                case.body[name] = NOBODY


def attack(operation: Any, mode: GenerationMode) -> Counter[int]:
    """Ask one operation; return how often each status came. Raise for what does not hold."""
    seen: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:
            _aimed(case)
        answer = case.call_and_validate(headers=dict(BEARER), checks=CHECKS)
        seen[answer.status_code] += 1

    try:
        ask()
    except Unsatisfiable:
        # It takes nothing that could be wrong.
        assert not list(operation.body)
        assert not list(operation.path_parameters)
    return seen


def attack_all(base: str) -> Counter[int]:
    """Ask every operation but the event stream, which does not end."""
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
    seen: Counter[int] = Counter()
    for one in schema.exclude(operation_id="streamEvents").get_all_operations():
        assert isinstance(one, Ok)
        operation = one.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            seen += attack(operation, mode)
    return seen


async def test_the_running_server_is_as_documented(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It asks with wrong tokens more often than a place may, and the clock stands still.
    monkeypatch.setattr(slowing, "FREE_OF_SOURCE", 10_000)
    await record(database, *Teller("live").call_begins().begins().take())
    async with serving(database) as (base, _):
        seen = await asyncio.to_thread(attack_all, base)
    # Not all that is sent is refused at the door.
    assert {200, 201, 202, 204, 400, 404} <= seen.keys()
