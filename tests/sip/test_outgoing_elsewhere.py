"""Calls of ours that are asked who they are, sent elsewhere, or tried at the next target."""

import re

import pytest
from twisted.internet.task import Clock

from ivr.sip import Address, CallEnd, Headers, Request, Transport
from ivr.sip.digest import DigestAuthenticator, Verdict
from ivr.sip.digest_client import Credentials
from ivr.sip.names import Answer, Kind, Srv
from ivr.sip.outcome import Outcome
from ivr.sip.resolution import Resolver
from ivr.sip.targets import MAX_RETRY_AFTER, SILENT_FOR, Penalties, Targets
from ivr.sip.trunk import Trunk
from tests.sip.callee import Call
from tests.sip.test_resolution import FakeNames
from tests.sip.wire import ANSWER, Wire

SECRET = Trunk(
    "carrier", "192.0.2.20", credentials=(Credentials("solde", "s3cret"),), ping_interval=0
)
ONE, TWO, THREE = (Address(f"192.0.2.{number}", 5060) for number in (1, 2, 3))
NAMED = Trunk("named", "example.com", transport=Transport.UDP, ping_interval=0)


class Server:
    """Judges credentials as a peer does (`DigestAuthenticator` reads Authorization)."""

    def __init__(self, clock: Clock, password: str = "s3cret") -> None:
        self.digest = DigestAuthenticator(clock, "carrier", {"solde": password})

    def challenge(self, *, stale: bool = False, proxy: bool = False) -> str:
        [(_, line)] = self.digest.challenges(stale=stale)
        return f"{'Proxy' if proxy else 'WWW'}-Authenticate: {line}"

    def judge(self, request: Request) -> Verdict:
        lines = [
            ("Authorization" if "Authorization" in name else name, value)
            for name, value in request.headers
        ]
        text = Request(request.method, request.uri_text, Headers(lines))
        return self.digest.judge(text)[0]


@pytest.mark.parametrize("proxy", [False, True])
def test_a_challenge_is_answered_with_the_same_call_and_the_next_number(proxy: bool) -> None:
    call = Call(trunk=SECRET)
    server = Server(call.clock)
    first = call.last()
    code = 407 if proxy else 401
    assert call.hears(code, server.challenge(proxy=proxy)) == ["ACK", "INVITE"]
    second = call.last()
    assert second.cseq == (2, "INVITE")
    assert (second.call_id, second.from_, second.to) == (first.call_id, first.from_, first.to)
    assert second.via.branch != first.via.branch
    assert ("Proxy-Authorization" if proxy else "Authorization") in second.headers
    assert server.judge(second) is Verdict.ACCEPTED
    # RFC 3261 §22.1: the ACK of the 200 has the credentials of its INVITE.
    call.hears(200, body=ANSWER)
    ack = call.last("ACK")
    assert ack.cseq == (2, "ACK")
    name = "Proxy-Authorization" if proxy else "Authorization"
    assert ack.headers.get(name) == second.headers.get(name)
    call.call.hang_up()
    call.look()
    assert server.judge(call.last("BYE")) is Verdict.ACCEPTED
    call.accept_all()
    assert call.quiet()


def test_the_next_call_brings_its_credentials_along() -> None:
    wire = Wire()
    call = Call(trunk=SECRET, wire=wire)
    server = Server(call.clock)
    call.hears(401, server.challenge())
    call.hears(486)
    later = Call(trunk=SECRET, wire=wire)
    assert "nc=00000002" in later.last().headers.get("Authorization")
    assert server.judge(later.last()) is Verdict.ACCEPTED
    # The nonce has grown old: another one, once.
    assert later.hears(401, server.challenge(stale=True)) == ["ACK", "INVITE"]
    assert server.judge(later.last()) is Verdict.ACCEPTED


def test_a_wrong_password_ends_the_call() -> None:
    call = Call(trunk=SECRET)
    server = Server(call.clock, "other")
    assert call.hears(401, server.challenge()) == ["ACK", "INVITE"]
    assert call.hears(401, server.challenge()) == ["ACK"]
    assert call.handler.ends == [CallEnd.REFUSED]
    assert call.call.outcome is not None
    assert call.call.outcome.status == 401
    assert call.quiet()


def test_without_credentials_a_challenge_is_a_refusal() -> None:
    call = Call()
    assert call.hears(407, Server(call.clock).challenge(proxy=True)) == ["ACK"]
    assert call.handler.ends == [CallEnd.REFUSED]


def test_bye_is_sent_again_with_credentials() -> None:
    call = Call(trunk=SECRET)
    server = Server(call.clock)
    call.hears(200, body=ANSWER)
    call.call.hang_up()
    call.look()
    bye = call.last("BYE")
    assert call.hears(407, server.challenge(proxy=True), to=bye) == ["BYE"]
    assert server.judge(call.last("BYE")) is Verdict.ACCEPTED
    assert call.last("BYE").cseq.number == bye.cseq.number + 1
    call.accept_all()
    assert call.quiet()


def test_a_call_hung_up_while_it_is_challenged_is_not_tried_again() -> None:
    call = Call(trunk=SECRET)
    call.hears(100)
    call.call.hang_up()
    call.look()
    assert call.hears(401, Server(call.clock).challenge()) == ["ACK"]
    call.accept_all()
    assert call.quiet()


def test_a_session_interval_that_is_too_short_is_lengthened() -> None:
    call = Call()
    assert call.hears(422, "Min-SE: 3600") == ["ACK", "INVITE"]
    again = call.last()
    assert again.headers.get("Session-Expires").startswith("3600")
    assert again.headers.get("Min-SE") == "3600"
    assert call.hears(422, "Min-SE: 3600") == ["ACK"]
    assert call.handler.ends == [CallEnd.REFUSED]


# 3xx (§8.1.3.4):


def redirecting(**more: object) -> Trunk:
    return Trunk("carrier", "192.0.2.20", follow_redirects=True, ping_interval=0, **more)  # type: ignore[arg-type] # fields


def test_3xx_is_reported_with_its_contacts() -> None:
    call = Call()
    assert call.hears(302, "Contact: <sip:a@192.0.2.2>, <sip:b@192.0.2.3>;q=0.1") == ["ACK"]
    outcome = call.call.outcome
    assert outcome is not None
    assert outcome.contacts == ("<sip:a@192.0.2.2>", "<sip:b@192.0.2.3>;q=0.1")
    assert call.quiet()


def test_3xx_is_followed_the_most_wanted_contact_first() -> None:
    call = Call(trunk=redirecting())
    first = call.last()
    contacts = "<sip:b@192.0.2.3;method=REFER>;q=0.5, <sip:a@192.0.2.2?Subject=x>, <tel:+1>"
    assert call.hears(302, f"Contact: {contacts}") == ["ACK", "INVITE"]
    second = call.last()
    assert (second.uri_text, call.targets()[-1]) == ("sip:a@192.0.2.2", TWO)
    assert (second.call_id, second.to, second.cseq) == (first.call_id, first.to, (2, "INVITE"))
    assert call.hears(486) == ["ACK", "INVITE"]
    assert (call.last().uri_text, call.targets()[-1]) == ("sip:b@192.0.2.3", THREE)
    assert call.hears(200, body=ANSWER) == ["ACK"]
    assert call.handler.heard == [("answered", ANSWER)]


def test_a_loop_of_redirects_ends() -> None:
    call = Call(trunk=redirecting())
    assert call.hears(302, "Contact: <sip:a@192.0.2.2>") == ["ACK", "INVITE"]
    assert call.hears(302, f"Contact: <sip:a@192.0.2.2>, <{call.sent[0][0].uri_text}>") == [
        "ACK"
    ]
    assert call.handler.ends == [CallEnd.REFUSED]
    endless = Call(trunk=redirecting())
    for number in range(50):
        endless.hears(302, f"Contact: <sip:a{number}@192.0.2.2>")
    assert len(endless.targets()) == 6
    assert endless.handler.ends == [CallEnd.REFUSED]


def test_a_6xx_ends_the_search() -> None:
    call = Call(trunk=redirecting())
    call.hears(302, "Contact: <sip:a@192.0.2.2>, <sip:b@192.0.2.3>")
    assert call.hears(603) == ["ACK"]
    assert call.handler.ends == [CallEnd.REFUSED]


def test_the_password_is_not_for_whomever_a_redirect_names() -> None:
    call = Call(trunk=redirecting(credentials=(Credentials("solde", "s3cret"),)))
    server = Server(call.clock)
    call.hears(401, server.challenge())
    call.hears(302, "Contact: <sip:a@192.0.2.66>")
    assert "Authorization" not in call.last().headers
    assert call.hears(401, server.challenge()) == ["ACK"]
    assert call.handler.ends == [CallEnd.REFUSED]


# The next target (RFC 3263 §4.3):


def named(*targets: Address) -> Wire:
    names = FakeNames()
    records = tuple(Srv(rank, 0, one.port, one.host) for rank, one in enumerate(targets))
    names.add(Kind.SRV, "_sip._udp.example.com", Answer(60, srv=records))
    return Wire(resolver=Resolver(names, below=lambda _: 0))


def test_503_goes_to_the_next_target_and_is_left_alone_as_it_asks() -> None:
    wire = named(ONE, TWO)
    call = Call(trunk=NAMED, wire=wire)
    assert call.targets() == [ONE]
    assert call.hears(503, "Retry-After: 30") == ["ACK", "INVITE"]
    assert call.targets() == [ONE, TWO]
    assert call.last().cseq == (2, "INVITE")
    call.hears(200, body=ANSWER)
    assert call.handler.heard == [("answered", ANSWER)]
    assert Call(trunk=NAMED, wire=wire).targets() == [TWO]
    wire.clock.advance(30)
    wire.take()
    assert Call(trunk=NAMED, wire=wire).targets() == [ONE]


def test_when_all_want_to_be_left_alone_nothing_is_sent() -> None:
    wire = named(ONE, TWO)
    call = Call(trunk=NAMED, wire=wire)
    call.hears(503, "Retry-After: 30")
    call.hears(503, "Retry-After: 20")
    assert call.call.outcome == Outcome(503, "Whatever", retry_after=20)
    later = Call(trunk=NAMED, wire=wire)
    wire.clock.advance(0)
    assert later.sent == []
    assert later.handler.ends == [CallEnd.REFUSED]
    assert later.call.outcome is not None
    assert (later.call.outcome.status, later.call.outcome.local) == (503, True)
    assert later.call.outcome.retry_after == 20


def test_a_silent_target_is_given_up_and_its_late_answer_undone() -> None:
    wire = named(ONE, TWO)
    call = Call(trunk=NAMED, wire=wire)
    silent = call.last()
    call.pass_time(8)
    assert call.targets()[-1] == TWO
    assert call.targets("CANCEL") == []
    assert call.hears(180, to=silent) == ["CANCEL"]
    assert call.targets("CANCEL") == [ONE]
    assert call.handler.heard == []
    assert call.hears(200, to=silent, tag="late", body=ANSWER) == ["ACK", "BYE"]
    assert call.hears(200, body=ANSWER) == ["ACK"]
    assert call.handler.heard == [("answered", ANSWER)]
    assert Call(trunk=NAMED, wire=wire).targets() == [TWO]  # the silent one is the last now
    wire.clock.advance(SILENT_FOR)


def test_a_provisional_response_keeps_the_target() -> None:
    call = Call(trunk=NAMED, wire=named(ONE, TWO))
    call.hears(100)
    assert call.pass_time(100) == []


def test_the_last_target_has_all_the_time_of_timer_b() -> None:
    call = Call(trunk=NAMED, wire=named(ONE, TWO))
    call.pass_time(8)
    call.pass_time(31.5)
    assert call.handler.heard == []
    call.pass_time(0.5)
    assert call.handler.ends == [CallEnd.REFUSED]
    assert call.call.outcome == Outcome(408, "No response", local=True)
    assert call.quiet()


def test_a_target_that_cannot_be_reached_is_passed_over() -> None:
    wire = named(ONE, TWO)
    wire.broken = True
    call = Call(trunk=NAMED, wire=wire)
    wire.broken = False
    wire.agent._clients.unreachable(ONE)
    call.look()
    assert call.targets() == [TWO]


def test_a_name_that_is_not_there_is_said() -> None:
    wire = Wire()
    call = Call("sip:a@nowhere.example", wire=wire)
    assert call.handler.heard == []
    wire.clock.advance(0)
    assert call.handler.ends == [CallEnd.REFUSED]
    assert call.call.outcome is not None
    assert re.search("names are not looked up", call.call.outcome.reason)
    assert call.quiet()


def test_a_call_hung_up_during_the_look_up_sends_nothing() -> None:
    wire = Wire()
    call = Call("sip:a@nowhere.example", wire=wire)
    call.call.hang_up()
    wire.clock.advance(0)
    assert call.handler.heard == [("ended", CallEnd.HUNG_UP_BY_US)]
    assert (call.look(), call.quiet()) == ([], True)


def test_a_retry_after_of_a_day_is_believed_for_minutes() -> None:
    clock = Clock()
    penalties = Penalties(clock)
    penalties.closed(ONE, 86400)
    assert penalties.order([ONE, TWO]) == [TWO]
    assert penalties.wait([ONE]) == MAX_RETRY_AFTER
    clock.advance(MAX_RETRY_AFTER)
    assert penalties.order([ONE, TWO]) == [ONE, TWO]
    assert penalties.wait([ONE]) == 0


def test_silent_targets_come_last_until_they_answer() -> None:
    penalties = Penalties(Clock())
    targets = Targets(penalties, [ONE, TWO, THREE])
    assert targets.failed()
    assert penalties.order([ONE, TWO]) == [TWO, ONE]
    Targets(penalties, [ONE]).answered()
    assert penalties.order([ONE, TWO]) == [ONE, TWO]


def test_many_targets_fill_no_memory() -> None:
    penalties = Penalties(Clock())
    for number in range(1000):
        penalties.silent(Address("192.0.2.1", number))
    assert len(penalties._silent) == 256


def test_what_a_response_says_in_broken_headers_is_left_out() -> None:
    call = Call()
    call.hears(486, 'Warning: 399 x "a, b', "Retry-After: soon", "Reason: Q.850;cause=x")
    assert call.call.outcome == Outcome(486, "Whatever", reasons=("Q.850;cause=x",))
    assert call.call.outcome.q850 is None
