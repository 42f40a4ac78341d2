"""SIPp is called by us over the real transport: answers, refuses, forks, loses packets."""

from collections.abc import Callable
from pathlib import Path

from twisted.internet import reactor

from ivr.sip import CallEnd
from ivr.sip.digest_client import Credentials
from tests.sip.callee import Caller
from tests.sip.sipp_uas import END, INVITED, called_by_us, pause, recv, send

ANSWERED = [
    INVITED,
    send("180 Ringing", tag="a"),
    send("200 OK", tag="a", sdp=True, repeated=True),
    recv("ACK"),
]
HUNG_UP = [recv("BYE"), send("200 OK")]


class HangsUpWhen(Caller):
    """Hangs up some time after a word is heard."""

    word = "answered"
    hang_up: Callable[[], None]

    def _note(self, word: str, what: object) -> None:
        super()._note(word, what)
        if word == self.word:
            reactor.callLater(0.2, self.hang_up)  # type: ignore[arg-type] # Twisted's order


class GivesUpWhenItRings(HangsUpWhen):
    word = "ringing"


def words(handler: Caller) -> list[str]:
    return [word for word, _ in handler.heard]


async def test_it_rings_is_answered_and_we_hang_up(tmp_path: Path) -> None:
    steps = [*ANSWERED[:2], pause(300), *ANSWERED[2:], *HUNG_UP]
    [handler] = await called_by_us(steps, tmp_path, handler=HangsUpWhen)
    assert words(handler) == ["ringing", "answered", "ended"]
    assert handler.ends == [CallEnd.HUNG_UP_BY_US]
    assert b"m=audio" in handler.heard[1][1]  # type: ignore[operator] # bytes


async def test_busy(tmp_path: Path) -> None:
    steps = [INVITED, send("486 Busy Here", tag="a", repeated=True), recv("ACK")]
    [handler] = await called_by_us(steps, tmp_path)
    assert handler.heard == [("ended", CallEnd.REFUSED)]


async def test_early_media(tmp_path: Path) -> None:
    steps = [INVITED, send("183 Session Progress", tag="a", sdp=True), *ANSWERED[2:]]
    [handler] = await called_by_us([*steps, *HUNG_UP], tmp_path, handler=HangsUpWhen)
    assert words(handler) == ["early", "answered", "ended"]


async def test_a_reliable_response_gets_its_prack(tmp_path: Path) -> None:
    lines = ("Require: 100rel", "RSeq: 7")
    steps = [
        INVITED,
        send("183 Session Progress", *lines, tag="a", sdp=True, repeated=True),
        recv("PRACK"),
        send("200 OK"),
        send("200 OK", tag="a", sdp=True, repeated=True, invite=True),
        recv("ACK"),
        *HUNG_UP,
    ]
    [handler] = await called_by_us(steps, tmp_path, handler=HangsUpWhen)
    assert handler.ends == [CallEnd.HUNG_UP_BY_US]


async def test_a_password_is_asked_for_and_checked(tmp_path: Path) -> None:
    challenge = (
        'WWW-Authenticate: Digest realm="sipp", nonce="47ebe028cda119c35d4877b383027d28"'
    )
    check = '<verifyauth assign_to="right" username="solde" password="s3cret" />'
    steps = [
        INVITED,
        send("401 Unauthorized", challenge, tag="a", repeated=True),
        recv("ACK"),
        recv("INVITE", check).replace("<recv ", '<recv next="1" test="right" '),
        send("403 Forbidden", tag="b", repeated=True),
        recv("ACK"),
        '  <label id="1" />',
        *ANSWERED[1:],
        *HUNG_UP,
    ]
    trunk: dict[str, object] = {"credentials": (Credentials("solde", "s3cret"),)}
    [handler] = await called_by_us(steps, tmp_path, trunk=trunk, handler=HangsUpWhen)
    assert words(handler) == ["ringing", "answered", "ended"]


async def test_two_answer(tmp_path: Path) -> None:
    steps = [
        INVITED,
        send("200 OK", tag="a", sdp=True, repeated=True),
        recv("ACK"),
        send("200 OK", tag="b", sdp=True, repeated=True, invite=True),
        recv("ACK"),
        recv("BYE"),
        send("200 OK"),
        recv("BYE"),
        send("200 OK"),
    ]
    [handler] = await called_by_us(steps, tmp_path, handler=HangsUpWhen)
    assert words(handler) == ["answered", "ended"]


async def test_nobody_answers_and_we_give_up(tmp_path: Path) -> None:
    steps = [
        *ANSWERED[:2],
        recv("CANCEL"),
        send("200 OK"),
        send("487 Request Terminated", tag="a", repeated=True, invite=True),
        recv("ACK"),
    ]
    [handler] = await called_by_us(steps, tmp_path, handler=GivesUpWhenItRings)
    assert handler.heard == [("ringing", None), ("ended", CallEnd.HUNG_UP_BY_US)]


async def test_no_call_fails_though_5_percent_of_all_packets_are_lost(tmp_path: Path) -> None:
    # The ACK may be lost, and the BYE come before another one.
    maybe = recv("ACK").replace("<recv ", '<recv optional="true" ')
    steps = [INVITED, ANSWERED[2], maybe, *HUNG_UP, END]
    handlers = await called_by_us(steps, tmp_path, "-lost", "5", calls=400, handler=HangsUpWhen)
    assert [words(one) for one in handlers] == [["answered", "ended"]] * 400
    assert {one.ends[0] for one in handlers} == {CallEnd.HUNG_UP_BY_US}
