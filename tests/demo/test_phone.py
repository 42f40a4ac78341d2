"""The independent phone, as a process, against our own user agent, registrar and media."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from ivr.demo.phone_client import CallRefusedError, Phone, PhoneError
from ivr.media.clips import Clip, silence
from ivr.media.g711 import Codec, decode
from ivr.sip import CallEnd, IncomingCall
from tests.demo.small_server import SmallServer, Tap, TappedCall

NUMBER = "+33187210001"
CARD = "4242424242424242#"


@asynccontextmanager
async def phone_at_server(
    directory: Path, password: str = "secret"
) -> AsyncIterator[tuple[Phone, SmallServer]]:
    """Give a phone of the user `debtor`, whose password is `secret`, and its server."""
    async with SmallServer(debtor="secret") as server:
        phone = await Phone.start(
            server.target, "debtor", password, record=directory / "heard.wav", number=NUMBER
        )
        async with phone:
            yield phone, server


async def test_it_registers_and_calls_and_its_keys_arrive_exactly(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, server):
        await phone.register()
        (binding,) = server.registrar.bindings("debtor")
        assert binding.uri.called == "debtor"
        await phone.call()
        call = await server.next_call()
        assert (call.call.caller, call.call.called) == ("debtor", NUMBER)
        assert await phone.press(CARD) == len(CARD)
        assert await call.keyed(len(CARD)) == CARD
        assert await phone.press("11*", press_ms=40, gap_ms=40) == 3
        assert await call.keyed(len(CARD) + 3) == CARD + "11*"
        assert call.confirmed.is_set()
        assert (await phone.hang_up())["by"] == "near"
        assert await call.end() is CallEnd.HUNG_UP_BY_PEER


def test_what_pyvoip_prints_never_stands_among_the_events() -> None:
    words = "import ivr.demo.phone, pyVoIP; pyVoIP.debug('', 'a response I do not know')"
    told = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True
    )
    assert (told.stdout, told.stderr) == ("", "a response I do not know\n")


async def test_what_it_heard_is_what_was_played(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, 4000).astype(np.int16)
    clip = Clip.from_samples(noise)
    async with phone_at_server(tmp_path) as (phone, server):
        await phone.register()
        await phone.call("0801")
        call = await server.next_call()
        await call.play([silence(100), clip, silence(200)])
        call.call.hang_up()
        event = await phone.wait_for("hung-up")
    assert event == {
        "event": "hung-up",
        "by": "far",
        "heard": str(tmp_path / "heard.wav"),
        "events": 0,
    }
    heard, rate = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert rate == 8000
    assert heard.ndim == 1
    assert contains(heard, decode(Codec.PCMU, b"".join(clip.pcmu)))


def contains(whole: NDArray[np.int16], part: NDArray[np.int16]) -> bool:
    """Whether `part` occurs in `whole`, sample for sample."""
    return part.tobytes() in whole.tobytes()


async def test_keys_are_counted_when_the_far_end_hangs_up_among_them(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, server):
        await phone.register()
        await phone.call()
        call = await server.next_call()
        pressing = asyncio.ensure_future(phone.press(CARD))
        await call.keyed(3)
        call.call.hang_up()
        assert 3 <= await pressing < len(CARD)
        assert (await phone.wait_for("hung-up"))["by"] == "far"
        with pytest.raises(PhoneError, match="no call is answered"):
            await phone.press("1")


async def test_a_second_call_follows_the_first(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, server):
        await phone.register()
        for _ in range(2):
            await phone.call()
            call = await server.next_call()
            await phone.press("5")
            assert await call.keyed(1) == "5"
            await phone.hang_up()


async def test_a_wrong_password_is_an_error(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path, password="wrong") as (phone, _):
        with pytest.raises(PhoneError, match=r"register: .*refused the password"):
            await phone.register()


async def test_a_refused_call_tells_why_and_until_when(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, server):
        await phone.register()
        server.agent.drain(retry_after=30)
        with pytest.raises(CallRefusedError) as refused:
            await phone.call()
        assert (refused.value.status, refused.value.retry_after) == (503, "30")


async def test_a_call_refused_after_it_rang_is_refused_too(tmp_path: Path) -> None:
    def ring_and_reject(call: IncomingCall) -> None:
        call.ring()
        call.reject(603, "Not Now")

    async with phone_at_server(tmp_path) as (phone, server):
        await phone.register()
        server.on_call = ring_and_reject
        with pytest.raises(CallRefusedError, match="603 Not Now"):
            await phone.call()


async def test_without_registration_there_is_no_call(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, _):
        with pytest.raises(PhoneError, match="call: not registered"):
            await phone.call()
        with pytest.raises(PhoneError, match="hang_up: no call is answered"):
            await phone.hang_up()


async def test_an_error_never_quotes_the_keys(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, _):
        await phone.register()
        await phone.call()
        with pytest.raises(PhoneError) as failed:
            await phone.press("4242 4242")
        assert "4242" not in str(failed.value)


@pytest.mark.parametrize("registrar", ["no-such-host.invalid:5060", "127.0.0.1"])
async def test_a_phone_that_ends_is_an_error_with_its_last_words(
    tmp_path: Path, registrar: str
) -> None:
    async with await Phone.start(registrar, "u", "p", record=tmp_path / "h.wav") as phone:
        with pytest.raises(PhoneError, match="ended: Error: cannot reach the registrar"):
            await phone.register()


async def test_a_phone_that_was_killed_is_an_error(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, _):
        await phone.register()
        phone._process.kill()
        with pytest.raises(PhoneError, match="the phone ended"):
            await phone.call()


async def test_its_events_on_the_wire(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, server), tapped() as (tap, port):
        server.on_call = lambda call: TappedCall(call, port, event_type=97)
        await phone.register()
        await phone.call()
        await phone.press("7#", press_ms=60, gap_ms=80)
        await phone.hang_up()
    packets = tap.packets
    sequence = [int.from_bytes(p[2:4], "big") for p in packets]
    assert sequence == list(range(sequence[0], sequence[0] + len(packets)))
    assert len({p[8:12] for p in packets}) == 1
    events = [p for p in packets if p[1] & 0x7F == 97]
    assert [(p[1] >> 7, p[12:].hex()) for p in events] == [
        (1, "070a00a0"),
        (0, "070a0140"),
        (0, "078a01e0"),
        (0, "078a01e0"),
        (0, "078a01e0"),
        (1, "0b0a00a0"),
        (0, "0b0a0140"),
        (0, "0b8a01e0"),
        (0, "0b8a01e0"),
        (0, "0b8a01e0"),
    ]
    assert [timestamp(p) - timestamp(events[0]) for p in events] == [0] * 5 + [7 * 160] * 5
    audio = [p for p in packets if p not in events]
    assert {(p[1], p[12:]) for p in audio} == {(0, b"\xff" * 160)}
    ticks = [timestamp(p) for p in audio]
    assert timestamp(events[0]) not in ticks, "audio is suspended while a key is down"


async def test_keys_as_tones_are_heard_in_the_audio(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, server), tapped() as (tap, port):
        server.on_call = lambda call: TappedCall(call, port, event_type=101)
        await phone.register()
        await phone.call()
        assert await phone.press("8", press_ms=100, tones="in-band") == 1
        await phone.hang_up()
    assert {p[1] for p in tap.packets} == {0}
    sound = decode(Codec.PCMU, b"".join(p[12:] for p in tap.packets)).astype(float)
    tone = np.trim_zeros(sound)
    assert len(tone) == pytest.approx(800, abs=4)
    spectrum = np.abs(np.fft.rfft(tone, 8000))
    strongest = sorted(np.argsort(spectrum[:1100])[-1:]), 1100 + np.argmax(spectrum[1100:])
    assert strongest[0] == [pytest.approx(852, abs=5)]
    assert strongest[1] == pytest.approx(1336, abs=5)


@asynccontextmanager
async def tapped() -> AsyncIterator[tuple[Tap, int]]:
    """Give a tap and the port it listens at."""
    endpoint, tap = await asyncio.get_running_loop().create_datagram_endpoint(
        Tap, local_addr=("127.0.0.1", 0)
    )
    yield tap, endpoint.get_extra_info("sockname")[1]
    endpoint.close()


def timestamp(packet: bytes) -> int:
    return int.from_bytes(packet[4:8], "big")


async def test_it_answers_who_calls_and_keeps_what_it_hears_of_each(tmp_path: Path) -> None:
    async with phone_at_server(tmp_path) as (phone, server):
        await phone.register()
        phone.take_calls()
        for name in ("heard.wav", "heard-2.wav"):
            made = server.ring("debtor")
            assert (await phone.wait_for("ringing", "answered"))["event"] == "ringing"
            await phone.wait_for("answered")
            assert await phone.press("42") == 2
            assert await made.keyed(2) == "42"
            made.call.hang_up()
            event = await phone.wait_for("hung-up")
            assert event == {
                "event": "hung-up",
                "by": "far",
                "heard": str(tmp_path / name),
                "events": 0,
            }
            assert (tmp_path / name).is_file()
