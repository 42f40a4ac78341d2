"""SIPp as those who are not welcome, or come too often, or too early."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor

from ivr.sip import CallEnd, IncomingCall, Registrar
from ivr.sip.access import AccessList
from ivr.sip.guard import Guard, Policy, Treatment
from ivr.sip.overload import LagMeter
from tests.sip.sipp_script import (
    ack,
    answered,
    ask,
    asked,
    bye,
    check,
    gets,
    invite,
    refused,
    run,
    user_agent,
)
from tests.sip.sipp_uas import pause
from tests.sip.test_sipp_dialogs import UP
from tests.sip.wire import ANSWER, Recorder

SCANNER = "User-Agent: friendly-scanner"
ELSEWHERE = AccessList(["192.0.2.0/24"])
LATER = check("Retry-After", "^ *5 *$")
PING: dict[str, Any] = {"cseq": 1, "uri": "sip:[remote_ip]:[remote_port]", "tag": ""}


def once(step: str) -> str:
    """Return a sending step that is not repeated."""
    return step.replace(' retrans="500"', "")


def another(number: int, answer: str) -> list[str]:
    """Return steps of one more call beside the first, up to the ACK."""
    more: dict[str, Any] = {"call": f"{number}///[call_id]", "transaction": f"i{number}"}
    return [invite(**more), answer, ask("ACK", cseq=1, **more)]


async def guarded(
    policy: Policy,
    folder: Path,
    steps: list[str],
    *options: str,
    lag: LagMeter | None = None,
    **more: Any,
) -> list[Recorder]:
    """Let SIPp come to a user agent that is guarded so; return what its calls heard."""
    handlers: list[Recorder] = []

    def on_call(call: IncomingCall) -> None:
        call.handler = one = Recorder()
        handlers.append(one)
        call.answer(ANSWER)

    guard = Guard(reactor, policy, lag)
    async with user_agent(on_call, guard=guard, **more) as agent:
        await run(steps, folder, agent.local, *options)
    return handlers


TURNED_AWAY = {
    "who is not known": (Policy(known=ELSEWHERE, unknown=Treatment.REFUSE), ()),
    "a scanner": (Policy(scanners=Treatment.REFUSE), (SCANNER,)),
}
NOT_HEARD = {
    "who is denied": (Policy(denied=AccessList(deny=["127.0.0.0/8"])), ()),
    "who is not known": (Policy(known=ELSEWHERE, unknown=Treatment.DROP), ()),
    "a scanner": (Policy(), (SCANNER,)),
}


@pytest.mark.parametrize("who", TURNED_AWAY)
async def test_they_get_403(tmp_path: Path, who: str) -> None:
    policy, headers = TURNED_AWAY[who]
    steps = [
        ask("OPTIONS", *headers, **PING),
        gets(403),
        invite(*headers),
        refused(403),
    ]
    assert await guarded(policy, tmp_path, steps) == []


@pytest.mark.parametrize("who", NOT_HEARD)
async def test_they_get_nothing(tmp_path: Path, who: str) -> None:
    policy, headers = NOT_HEARD[who]
    # An answer while SIPp only waits would fail its call.
    steps = [once(invite(*headers, transaction="")), pause(300)]
    assert await guarded(policy, tmp_path, steps) == []


async def test_who_is_known_is_welcome(tmp_path: Path) -> None:
    policy = Policy(known=AccessList(["127.0.0.1"]), unknown=Treatment.DROP)
    [one] = await guarded(policy, tmp_path, [*UP, bye(2)])
    assert one.ends == [CallEnd.HUNG_UP_BY_PEER]


async def test_an_answer_would_have_been_noticed(tmp_path: Path) -> None:
    steps = [once(invite(transaction="")), pause(300)]
    policy = Policy(known=ELSEWHERE, unknown=Treatment.REFUSE)
    with pytest.raises(AssertionError, match="403"):
        await guarded(policy, tmp_path, steps)


async def test_more_calls_a_second_than_one_source_may_make(tmp_path: Path) -> None:
    steps = [*UP, bye(2), *another(2, answered(LATER, cseq=2, status=503))]
    assert len(await guarded(Policy(calls=0.1), tmp_path, steps)) == 1


BUSY: dict[str, dict[str, Any]] = {
    "of one source": {"policy": Policy(calls_at_once=1)},
    "of all": {"policy": Policy(), "max_calls": 1},
}


@pytest.mark.parametrize("limit", BUSY)
async def test_more_calls_at_once_than_there_may_be(tmp_path: Path, limit: str) -> None:
    steps = [
        invite(),
        answered(check("To", ";tag=.*", into="tag")),
        ack(),
        *another(2, answered(LATER, cseq=2, status=503)),
        asked("BYE", 200, cseq=2, tag="[$tag]"),
    ]
    assert len(await guarded(folder=tmp_path, steps=steps, **BUSY[limit])) == 1


async def test_who_asks_too_often_outside_calls_is_not_answered(tmp_path: Path) -> None:
    ping = [ask("OPTIONS", **PING), gets(200)]
    steps = [*ping, once(ask("OPTIONS", **PING)), pause(300)]
    assert await guarded(Policy(requests=0.1), tmp_path, steps) == []


async def test_more_registrations_than_one_source_may_try(tmp_path: Path) -> None:
    register = [ask("REGISTER", **PING), gets(401)]
    registrar = Registrar(reactor, "solde", {"1001": "s3cret"})
    steps = [*register, once(ask("REGISTER", **PING)), pause(300)]
    policy = Policy(registrations=0.1)
    assert await guarded(policy, tmp_path, steps, registrar=registrar) == []


async def test_who_guesses_passwords_has_to_wait(tmp_path: Path) -> None:
    """SIPp computes its answers from the password it is told: MD5, `qop=auth`."""
    registrar = Registrar(reactor, "solde", {"sipp": "s3cret"}, algorithms=("MD5",))
    numbers = itertools.count(1)

    def tries(password: str, status: int, *checks: str) -> list[str]:
        def register(*lines: str) -> str:
            asked = ask("REGISTER", *lines, **{**PING, "cseq": next(numbers)})
            return asked.replace("To: <sip:+3312345@", "To: <sip:sipp@")

        credentials = f"[authentication username=sipp password={password}]"
        challenged = gets(401).replace("<recv ", '<recv auth="true" ')
        return [register(), challenged, register(credentials), gets(status, *checks)]

    steps = [
        *tries("s3cret", 200, check("Contact", "expires=")),
        *(step for _ in range(5) for step in tries("wrong", 401)),
        *tries("s3cret", 503, check("Retry-After", "1")),
    ]
    assert await guarded(Policy(), tmp_path, steps, registrar=registrar) == []


async def test_new_calls_wait_while_we_cannot_keep_up(tmp_path: Path) -> None:
    lag = LagMeter(reactor)
    lag.overloaded = True
    steps = [invite(), refused(503, LATER), ask("OPTIONS", **PING), gets(503, LATER)]
    assert await guarded(Policy(), tmp_path, steps, lag=lag) == []
