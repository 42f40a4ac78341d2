"""The conformance suite against the sandbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from payment_gateway.results import Money
from payment_gateway.sandbox import SandboxGateway
from tests.payment_gateway.bench import Wall
from tests.payment_gateway.conformance import Conformance

NUMBERS = {
    "late": "4000000000007304",
    "silent": "4000000000007403",
    "answer-lost": "4000000000007502",
}


class SandboxBench:
    def __init__(self, book: Path) -> None:
        self.wall = Wall()
        self.slept: list[float] = []
        self.gateway = SandboxGateway(
            book, webhook_secret="sandbox-secret", sleep=self._sleep, now=self.wall
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def prepare(self, scenario: str) -> str:
        return NUMBERS[scenario]

    def charges(self) -> list[tuple[str, Money]]:
        return list(self.gateway.book.charges())

    def webhook(self, key: str, age: float = 0) -> tuple[bytes, dict[str, str]]:
        self.wall.advance(-age)
        signed = self.gateway.webhook(key)
        self.wall.advance(age)
        return signed


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[SandboxBench]:
    made = SandboxBench(tmp_path / "book.sqlite")
    yield made
    made.gateway.book.close()


class TestSandboxConforms(Conformance):
    pass
