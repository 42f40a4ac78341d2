"""An exchange with agents: a debtor who calls, a PBX, and agents' telephones."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed

from ivr.calls.phones import Phones
from ivr.journey.charging import Charge
from ivr.ledger.commands import Command
from ivr.ledger.debts import Debt
from ivr.ledger.preparations import Preparation
from ivr.media.leg import MediaLeg
from ivr.settings_agents import AgentSettings
from ivr.sip import Address, Request, Response, Trunk
from ivr.vocabulary import CommandOutcome, CommandType, EventType, Step
from payment_gateway.card import Card
from payment_gateway.results import Money
from tests.calls.exchange import OFFER, Exchange
from tests.sip.callee import reply
from tests.sip.peers import reply as in_dialog_reply
from tests.sip.wire import PHONE, request

ANSWER = OFFER.replace(b"49170", b"49270")
TOKEN, CODE = "abcdefghijklmnop" * 2, "12345678"
VISA, EXPIRY, SECURITY = "4242424242424242", "1230", "123"
ANNA, BOB = "a" * 32, "b" * 32
DEBT = Debt(
    id="debt",
    reference="20261234",
    debtor="",
    creditor="",
    letter_date=None,
    amount=12345,
    currency="EUR",
    language="fr",
    outstanding=12345,
    has_open_attempt=False,
)


def prepared(**more: Any) -> Preparation:
    terms: dict[str, Any] = {
        "transaction_id": "prepared",
        "owner_id": ANNA,
        "debt": DEBT,
        "amount": 5000,
        "currency": "EUR",
        "language": "fr",
        "agent_phone": "1001",
        "afterwards": "good-bye",
        "mode": "alone",
        "offers": ("all",),
        "reused": False,
    }
    return Preparation(**{**terms, **more})


class Till:
    """A cash desk whose gateway answers when it is told to."""

    def __init__(self) -> None:
        self.charged: list[Money] = []
        self.answer: Deferred[Charge] = Deferred()

    def for_call(self, call_id: str, transaction_id: str) -> "Till":
        return self

    def charge(self, debt_id: str, money: Money, card: Card) -> Deferred[Charge]:
        with card:
            self.charged.append(money)  # leaving wipes it
        return self.answer


class Desk(Exchange):
    """One debtor's call. `agents` are settings; every SIP message of ours is kept in `sent`."""

    def __init__(
        self,
        first_port: int = 39000,
        *,
        refers: bool = False,
        to_agents: Collection[str] = (),
        **agents: Any,
    ) -> None:
        self.agents = AgentSettings(**{"phones": ("1001",), **agents})
        self.claims: list[tuple[str | None, str | None]] = []
        self.found: Deferred[Preparation | None] = succeed(prepared())
        self.sent: list[Request | Response] = []
        self.till = Till()
        self.told_by: Deferred[None] = succeed(None)
        super().__init__(first_port, 8, claim=self._claim, refers=refers, to_agents=to_agents)

    def cash_desk(self) -> object:
        return self.till

    def phones(self) -> Phones:
        return Phones(
            clock=self.wire.clock,
            agent=self.wire.agent,
            settings=self.agents,
            bindings=lambda _: None,
            open_leg=lambda host, trunk: self._agent_leg(host),
            owner_of=lambda phone: succeed(ANNA if phone == "1001" else None),
            told=lambda: self.told_by,
            trunk=Trunk("pbx", "192.0.2.20", ping_interval=0),
        )

    def _agent_leg(self, host: str | None) -> MediaLeg:
        self.agent_leg = MediaLeg(self.node, host)
        return self.agent_leg

    def _claim(
        self, call_id: str, token: str | None, code: str | None
    ) -> Deferred[Preparation | None]:
        self.claims.append((token, code))
        found, self.found = self.found, succeed(None)
        return found

    # The debtor:

    def transfer_in(
        self, user: str = f"t-{TOKEN}", *headers: str, body: bytes = OFFER, **more: Any
    ) -> None:
        """Come by a transfer, and be answered if nothing is waited for."""
        answered = self.wire.receive(
            request(uri=f"sip:{user}@127.0.0.1", body=body, headers=headers, **more)
        )
        self.tag = answered[-1].to.tag
        if answered[-1].status == 200:  # type: ignore[union-attr] # no request of ours is there
            self.in_dialog("ACK", 1)

    def to_gateway(self) -> None:
        self.to_card()
        self.press(VISA + EXPIRY + SECURITY)
        self.press("1")
        assert len(self.till.charged) == 1

    def to_card(self) -> None:
        self.transfer_in()
        self.press("1#")

    def in_dialog(self, method: str, cseq: int, **more: Any) -> list[Request | Response]:
        new = super().in_dialog(method, cseq, **more)
        self.sent += new
        return new

    def hang_up(self) -> None:
        self.in_dialog("BYE", 90)
        self.look()

    # The agents:

    def command(self, kind: CommandType, **data: Any) -> CommandOutcome:
        call_id = self.events[0].call_id
        now = datetime.now(UTC)
        command = Command(
            1, kind, "prepared", call_id, "node", data, "user:anna", now, now, None, None
        )
        outcome = self.switchboard.command(command)
        self.look()
        return cast("CommandOutcome", outcome)

    def take_back(self, **data: Any) -> CommandOutcome:
        return self.command(CommandType.TAKE_BACK, **data)

    def hand_over(self) -> CommandOutcome:
        return self.command(CommandType.HAND_OVER)

    def look(self) -> list[str]:
        """Take what we have sent; return the methods of requests."""
        new = self.wire.take()
        self.sent += new
        return [one.method for one in new if isinstance(one, Request)]

    def last(self, method: str = "INVITE") -> Request:
        self.look()
        return [m for m in self.sent if isinstance(m, Request) and m.method == method][-1]

    def agent_hears(self, status: int, body: bytes = b"") -> None:
        """Answer the INVITE to the agent's telephone."""
        data = reply(self.last(), status, body=body)
        self.wire.agent.datagram_received(data, Address("192.0.2.20", 5060))
        self.look()

    def agent_answers(self) -> None:
        self.agent_hears(180)
        self.agent_hears(200, ANSWER)

    def agent_hangs_up(self) -> None:
        invite = self.last()
        bye = request(
            "BYE",
            uri="sip:solde@192.0.2.1",
            cseq=1,
            call_id=invite.call_id,
            branch="z9hG4bKagent",
        ).decode()
        lines = []
        for line in bye.split("\r\n"):
            if line.startswith("From:"):
                lines.append(f"From: {invite.headers.get('To')};tag=callee")
            elif line.startswith("To:"):
                lines.append(f"To: {invite.headers.get('From')}")
            else:
                lines.append(line)
        self.wire.agent.datagram_received(
            "\r\n".join(lines).encode(), Address("192.0.2.20", 5060)
        )
        self.look()

    # The PBX that was asked by REFER:

    def pbx_says(self, status: int) -> None:
        """Answer our REFER."""
        refer = self.last("REFER")
        self.wire.agent.datagram_received(in_dialog_reply(refer, status), PHONE)
        self.look()

    def pbx_tells(self, line: bytes, state: str = "terminated", cseq: int = 50) -> None:
        """Send a NOTIFY about it."""
        raw = self._in_dialog(
            "NOTIFY",
            cseq,
            headers=("Event: refer", f"Subscription-State: {state}"),
            body=line,
        ).replace(b"application/sdp", b"message/sipfrag;version=2.0")
        self.wire.agent.datagram_received(raw, PHONE)
        self.look()

    # What has become of it:

    @property
    def said(self) -> list[str]:
        return [e.detail.prompt for e in self.events if e.detail.prompt]

    @property
    def steps(self) -> list[Step | None]:
        return [e.step for e in self.events if e.type is EventType.STEP_ENTERED]

    def told(self, kind: EventType) -> list[str | None]:
        return [e.detail.reason for e in self.events if e.type is kind]

    def agent_events(self) -> list[str]:
        return [str(t).removeprefix("agent.") for t in self.types if t.startswith("agent.")]

    def listen(self, seconds: int) -> None:
        super().listen(seconds)
        self.look()

    def nothing_is_left(self) -> None:
        """All ports are free, and every timer has run out."""
        for _ in range(400):
            self.wire.clock.advance(1)
            self.reactor.advance(1)
        assert len(self.pool) == 8
        assert not self.wire.clock.getDelayedCalls()
        assert self.wire.agent.live_calls == 0


__all__ = [
    "ANNA",
    "ANSWER",
    "BOB",
    "CODE",
    "DEBT",
    "EXPIRY",
    "SECURITY",
    "TOKEN",
    "VISA",
    "Desk",
    "prepared",
]
