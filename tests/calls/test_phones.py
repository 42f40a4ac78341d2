"""Where an agent's telephone is, and how it is called."""

from dataclasses import replace

import pytest
from twisted.internet.defer import succeed

from ivr.calls.phones import Origin, Phone, Phones, UnreachableError
from ivr.media.leg import MediaLeg
from ivr.media.ports import NoPortLeft
from ivr.settings_agents import AgentSettings
from ivr.sip import Address, Binding, Request, Trunk, parse, parse_uri
from tests.calls.exchange import Exchange

HOME = Address("192.0.2.77", 5099)
PBX = Trunk("pbx", "192.0.2.20", ping_interval=0)
QUEUES = Trunk("queues", "192.0.2.30", ping_interval=0)
FROM_PBX = Origin("+33123456789", Address("192.0.2.20", 5060), PBX, refers=True)
FROM_ANYWHERE = replace(FROM_PBX, trunk=None)
REGISTERED = {
    "anna": [Binding("<sip:x>", parse_uri("sip:anna@10.0.0.5:5062"), HOME, "c", 1, 60.0)],
    "bob": [],
}


class Room(Exchange):
    """Phones on a wire."""

    def phones(self) -> Phones:
        self.book = Phones(
            clock=self.wire.clock,
            agent=self.wire.agent,
            settings=AgentSettings(),
            bindings=REGISTERED.get,
            open_leg=lambda host, _: MediaLeg(self.node, host),
            owner_of=lambda _: succeed(None),
        )
        return self.book

    def rings(self, phone: str, origin: Origin = FROM_PBX) -> tuple[str, Address, str]:
        """Return whom the INVITE is for, where it went, and who calls."""
        calling = self.book.ring(phone, origin)
        data, to = self.wire.sent.pop(0)
        calling.hang_up()
        invite = parse(data)
        assert isinstance(invite, Request)
        return invite.uri_text, to, invite.from_.uri.called


def test_a_user_of_ours_is_called_where_they_have_registered() -> None:
    told = Room(32000).rings("anna")
    assert told == ("sip:anna@10.0.0.5:5062", HOME, "+33123456789")


def test_a_number_is_called_over_the_trunk_of_the_call_or_the_one_that_is_set() -> None:
    room = Room(32100)
    assert room.rings("1001")[:2] == ("sip:1001@192.0.2.20", Address("192.0.2.20", 5060))
    room.book = replace(room.book, trunk=QUEUES)
    assert room.rings("1001")[0] == "sip:1001@192.0.2.30"


def test_an_address_is_called_as_it_is() -> None:
    told = Room(32200).rings("sip:desk@192.0.2.50:5070", FROM_ANYWHERE)
    assert told[:2] == ("sip:desk@192.0.2.50:5070", Address("192.0.2.50", 5070))


@pytest.mark.parametrize(
    ("phone", "why"),
    [("bob", "not-registered"), ("1001", "no-trunk"), ("sip:a b@", "unreachable")],
)
def test_who_cannot_be_called_is_said_by_a_word_and_no_port_is_kept(
    phone: str, why: str
) -> None:
    room = Room(32300)
    with pytest.raises(UnreachableError, match=f"^{why}$"):
        room.book.ring(phone, FROM_ANYWHERE)
    assert len(room.pool) == 4


def test_without_a_port_nobody_is_called() -> None:
    def none(_host: str | None, _trunk: Trunk | None) -> MediaLeg:
        raise NoPortLeft

    room = Room(32400)
    with pytest.raises(UnreachableError, match="no-line"):
        replace(room.book, open_leg=none).ring("anna", FROM_PBX)


def test_a_caller_who_is_no_number_is_not_shown() -> None:
    odd = replace(FROM_PBX, caller='x"<sip:evil>')
    assert Room(32500).rings("anna", odd)[2] != odd.caller


@pytest.mark.parametrize(
    ("phone", "origin", "uri"),
    [
        ("1001", FROM_PBX, "sip:1001@192.0.2.20"),
        ("sip:desk@pbx.example", FROM_PBX, "sip:desk@pbx.example"),
        ("1001", FROM_ANYWHERE, "sip:1001@192.0.2.20:5060"),
        # The PBX does not know who has registered with us.
        ("anna", FROM_PBX, None),
        ("1001", replace(FROM_PBX, refers=False), None),
    ],
)
def test_a_pbx_is_asked_to_call_whom_it_can(
    phone: str, origin: Origin, uri: str | None
) -> None:
    assert Room(32600).book.refer_to(phone, origin) == uri


@pytest.mark.parametrize(
    ("owner", "known"), [("a" * 32, "a" * 32), ("token:crm", None), (None, None)]
)
def test_only_a_person_owns_a_phone(owner: object, known: str | None) -> None:
    assert Phone.of("1001", owner) == Phone("1001", known)
