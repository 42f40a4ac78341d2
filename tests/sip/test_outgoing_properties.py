"""Whatever a peer answers to our calls, in whatever order: nothing raises, nothing stays."""

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ivr.sip.digest_client import Credentials
from ivr.sip.trunk import Trunk
from tests.sip.callee import CALLEE, Call, Caller, reply
from tests.sip.wire import ANSWER

TRUNK = Trunk(
    "carrier",
    "192.0.2.20",
    credentials=(Credentials("solde", "s3cret"),),
    follow_redirects=True,
    answer_within=60,
    ping_interval=0,
)
LINES = st.lists(
    st.sampled_from(
        [
            "Require: 100rel",
            "RSeq: 1",
            "RSeq: 2",
            "RSeq: x",
            'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"',
            'Proxy-Authenticate: Digest realm="r", nonce="m", stale=true',
            'WWW-Authenticate: Digest realm="r',
            "Record-Route: <sip:192.0.2.50;lr>",
            "Record-Route: <sip:x",
            "Retry-After: 5",
            "Retry-After: \u0661",
            "Contact: <sip:a@192.0.2.2>",
            "Contact: <sip:a@192.0.2.2;method=X?a=b>;q=x, <sip:b",
            "Session-Expires: 90;refresher=uac",
            "Session-Expires: 100",
            "Min-SE: 4000",
            "Warning: a, b",
            'Reason: Q.850;cause="',
            "Content-Type: text/plain",
            "Allow: UPDATE",
        ]
    ),
    max_size=3,
)
ANSWERS = st.tuples(
    st.just("answer"),
    st.integers(0, 30),
    st.sampled_from(
        [
            *(100, 180, 181, 183, 183, 199, 200, 200, 202, 300, 302, 401, 407, 408),
            *(422, 486, 487, 488, 491, 500, 503, 503, 600, 699),
        ]
    ),
    LINES,
    st.sampled_from(["", "a", "a", "b"]),
    st.sampled_from([b"", ANSWER]),
)
STEPS = st.lists(
    ANSWERS
    | st.tuples(st.just("wait"), st.sampled_from([0.5, 5.0, 33.0]))
    | st.tuples(st.just("hang up")),
    max_size=12,
)


@given(STEPS, st.booleans())
@settings(max_examples=150)
def test_nothing_a_peer_answers_raises_and_everything_ends(
    steps: list[tuple[object, ...]], bad_handler: bool
) -> None:
    def fail(word: str) -> None:
        if bad_handler and word in ("ringing", "answered"):
            raise RuntimeError("bug")

    with capture_logs() as logs:
        call = Call(trunk=TRUNK, handler=Caller(on=fail))
        for step in steps:
            if step[0] == "wait":
                call.pass_time(step[1])  # type: ignore[arg-type] # seconds
            elif step[0] == "hang up":
                call.call.hang_up()
                call.look()
            else:
                _, which, code, lines, tag, body = step
                request = call.sent[which % len(call.sent)][0]  # type: ignore[operator] # a number
                data = reply(request, code, *lines, tag=tag, body=body)  # type: ignore[misc,arg-type] # drawn so
                call.wire.agent.datagram_received(data, CALLEE)
                call.look()
        call.call.hang_up()
        call.look()
        assert call.quiet()
    failed = [one["event"] for one in logs if one["log_level"] == "error"]
    assert set(failed) <= {"call-handler-failed"}
    assert bad_handler or failed == []
    assert len(call.handler.ends) == 1
    assert call.call.outcome is not None
    answered = [word for word, _ in call.handler.heard].count("answered")
    assert answered <= 1
