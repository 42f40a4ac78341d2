"""The tone shield, attacked as in `tests.media.shield_attack`, on fewer lines."""

from unittest import mock

import numpy as np
import pytest
from twisted.internet.task import Clock

from ivr.media import tone_gate
from ivr.media.g711 import FRAME, RATE, Codec, decode, encode
from ivr.media.jitter import JitterBuffer
from ivr.media.mask_tone import MASK_TONE, SLOT
from ivr.media.rtp import RtpPacket
from ivr.media.shield import Shield, ShieldBank, ShieldMode
from ivr.media.tone_gate import DELAY, ToneGate
from ivr.media.tone_plan import amplitude
from ivr.media.tone_suspicion import SPAN, suspicious
from tests.media import shield_attack
from tests.media.harness import run
from tests.media.shield_attack import attack, bound, detected, features, guessed, residue
from tests.media.shield_lines import KEYS, backgrounds, hear, presses, unshielded
from tests.media.sound import coded, noise, samples, silence, sine, tone


@pytest.mark.parametrize(("kind", "identical"), [("silence", 1.0), ("noise", 0.9)])
def test_between_words_keys_sound_the_same_to_the_last_bit(kind: str, identical: float) -> None:
    report = attack(kind, 12, seed=5)
    assert report.held, report
    assert report.identical >= identical
    assert report.timing >= 0.99


@pytest.mark.parametrize("kind", ["voice", "prompt"])
def test_under_speech_no_key_is_told(kind: str) -> None:
    report = attack(kind, 12, seed=6)
    assert report.held, report
    assert report.timing >= 0.95


def test_the_attacks_find_every_key_without_a_shield() -> None:
    random = np.random.default_rng(8)
    made = [press for press in presses(random, 64) if press.way == "in-band"]
    sounds = backgrounds(random, "noise", len(made))
    heard = [unshielded(made, key, sounds) for key in KEYS]
    share, tried = guessed([features(made, each) for each in heard])
    assert share > 0.8 > bound(tried)
    assert sum(map(detected, heard)) > 60
    trusting = mock.patch.object(shield_attack, "suspicious", nothing_suspicious)
    passing = mock.patch.object(tone_gate, "_FILTER", np.eye(448, FRAME, -144, np.float32))
    with trusting, passing:
        assert residue(made, "5", sounds).at_keys.min() > -40


def test_every_key_that_is_recognised_has_its_mask_tone() -> None:
    random = np.random.default_rng(9)
    made = presses(random, 32)
    heard = hear(made, "7", backgrounds(random, "silence", 32))
    tones = heard.masks.sum(axis=1)
    assert tones.tolist() == [6 * len(keys) for keys in heard.keys]
    assert set(heard.keys) == {"", "7"}
    assert heard.keys.count("7") > 24


def windows(sound: np.ndarray) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(sound.astype(np.float32), SPAN)[::80]


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(tone("5", 100, -50, -50), id="weak"),
        pytest.param(tone("1", 20, -30, -30), id="short"),
        pytest.param(tone("D", 60, -10, -35), id="twisted"),
        pytest.param(tone("*", 60, -35, -10), id="twisted back"),
        pytest.param(tone("3", 60, -20, -20, off=(0.045, -0.045)), id="off frequency"),
        pytest.param(sine(941, 60, -40), id="low alone"),
        pytest.param(sine(1477, 60, -40), id="high alone"),
        pytest.param(tone("8", 60, -25, -25) + noise(60, -30), id="in noise"),
    ],
)
def test_what_no_detector_takes_for_a_key_is_suspected(sound: np.ndarray, codec: Codec) -> None:
    line = np.concatenate([silence(60), sound, silence(60)])
    assert suspicious(windows(coded(line, codec).astype(np.float64))).any()


@pytest.mark.parametrize("level", [-30, -50, -70])
def test_noise_is_not_suspected(level: float) -> None:
    assert suspicious(windows(noise(20_000, level, seed=3))).mean() < 0.01


def gated(sounds: np.ndarray, known: np.ndarray | None = None, *, trusting: bool) -> np.ndarray:
    """What passes the gate of each row of sound; nothing is suspected when `trusting`."""
    gate = ToneGate(np.random.default_rng(1))
    rows = np.array([gate.open() for _ in sounds])
    frames = sounds.astype(np.float32).reshape(len(rows), -1, FRAME).transpose(1, 0, 2)
    if known is None:
        known = np.zeros(len(frames), dtype=np.bool_)
    listen = nothing_suspicious if trusting else suspicious
    with mock.patch.object(tone_gate, "suspicious", listen):
        heard = [
            gate.hear(rows, frame, np.full(len(rows), down))[0]
            for frame, down in zip(frames, known, strict=True)
        ]
    return np.concatenate(heard, axis=1)


def nothing_suspicious(windows: np.ndarray) -> np.ndarray:
    return np.zeros((len(windows), 2), dtype=np.bool_)


def test_of_what_is_said_next_to_nothing_is_lost() -> None:
    sounds = backgrounds(np.random.default_rng(10), "prompt", 80)
    heard, filtered = gated(sounds, trusting=False), gated(sounds, trusting=True)
    said, passed = (each.reshape(-1, FRAME).std(axis=1) for each in (filtered, heard))
    loud = said > 100
    assert loud.mean() > 0.4
    # Of the prompts as they are now: 3.3 %.
    assert (passed[loud] < said[loud] / 2).mean() < 0.04


def test_what_is_cut_is_faded() -> None:
    known = np.isin(np.arange(40), range(15, 20))
    heard = gated(sine(300, 800, -10)[np.newaxis], known, trusting=True)[0]
    assert (np.abs(heard[15 * FRAME + DELAY :][: 4 * FRAME]) < 1).all()
    turns = np.exp(-2j * np.pi * 3000 * np.arange(FRAME) / RATE) * np.hanning(FRAME)
    pieces = np.lib.stride_tricks.sliding_window_view(heard[5 * FRAME :], FRAME)
    assert np.abs(pieces @ turns).max() * 4 / FRAME < amplitude(-60)


class Rig:
    """One shield over one jitter buffer, fed and heard each 20 ms."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bank = ShieldBank(self.clock, np.random.default_rng(1))
        self.buffer = JitterBuffer()
        self.ended = 0
        self.shield: Shield = self.bank.open(self.buffer, self._end)
        self._n = 0

    def _end(self) -> None:
        self.ended += 1

    def hear(self, ms: float, sound: np.ndarray | None = None) -> list[bytes]:
        octets = bytes([0xD5]) * samples(ms)
        if sound is not None:
            octets = encode(Codec.PCMA, np.rint(sound).astype(np.int16))
        heard = []
        for at in range(0, len(octets), FRAME):
            self.buffer.put(RtpPacket(8, self._n, self._n * FRAME, 1, octets[at : at + FRAME]))
            self._n += 1
            run(self.clock, 0.02)
            heard.append(self.shield.frame(Codec.PCMA))
        return heard


def masks(frames: list[bytes]) -> list[int]:
    """Where mask tones begin."""
    return [n for n, frame in enumerate(frames) if frame == MASK_TONE[Codec.PCMA][0]]


def test_mask_tones_wait_for_the_grid_and_for_each_other() -> None:
    rig = Rig()
    rig.hear(300)
    for at in (0.30, 0.31, 0.32):
        rig.shield.key(at)
    begins = masks(rig.hear(1200))
    assert len(begins) == 3
    assert np.diff(begins).tolist() == [SLOT, SLOT]


def test_when_a_key_was_recognised_does_not_move_its_tone() -> None:
    begins = set()
    for recognised in (300, 340, 480):
        rig = Rig()
        before = rig.hear(recognised)
        rig.shield.key(0.29)
        begins.update(masks(before + rig.hear(1000)))
    assert len(begins) == 1


def test_a_flood_of_keys_ends_soon() -> None:
    rig = Rig()
    for _ in range(1000):
        rig.shield.key(0.0)
    assert len(masks(rig.hear(4000))) == 8


def test_a_shield_stays_until_the_last_key_is_let_go() -> None:
    rig = Rig()
    rig.hear(200)
    rig.shield.key(0.2)
    rig.shield.lower()
    held = rig.hear(2000, tone("9", 2000))
    assert rig.ended == 0
    rest = rig.hear(400)
    assert rig.ended == 1
    assert len(rig.bank) == 0
    assert rig.clock.calls == []
    assert len(masks(held)) == 1
    loudest = max(
        np.abs(decode(Codec.PCMA, frame)).max()
        for frame in held + rest
        if frame not in MASK_TONE[Codec.PCMA]
    )
    assert loudest == 8


def test_raised_again_it_stays() -> None:
    rig = Rig()
    rig.shield.lower()
    rig.hear(300)
    rig.shield.raise_(ShieldMode.MASKED)
    rig.hear(3000)
    assert rig.ended == 0


def test_a_mute_shield_lets_nothing_but_mask_tones_through() -> None:
    rig = Rig()
    rig.shield.raise_(ShieldMode.ONE_WAY_MUTE)
    rig.shield.key(0.0)
    heard = rig.hear(1000, noise(1000, -20))
    assert set(heard) == {Codec.PCMA.silence, *MASK_TONE[Codec.PCMA]}


def test_a_listener_whose_law_changes_hears_the_same_tone() -> None:
    rig = Rig()
    rig.shield.key(0.0)
    rig.hear(400)
    rig.shield.frame(Codec.PCMU)
    rig.shield.key(0.4)
    frames = []
    for _ in range(40):
        run(rig.clock, 0.02)
        frames.append(rig.shield.frame(Codec.PCMU))
    assert frames.count(MASK_TONE[Codec.PCMU][0]) == 1


def test_after_a_standstill_the_beat_goes_on() -> None:
    rig = Rig()
    rig.hear(100)
    rig.clock.advance(10.0)
    rig.shield.key(rig.clock.seconds())
    assert len(masks(rig.hear(1000))) == 1


def test_what_a_beat_raises_is_silence_and_the_next_goes_on() -> None:
    rig = Rig()
    rig.hear(100)
    with (
        mock.patch.object(rig.buffer, "codec", "none"),
        pytest.raises(KeyError),
    ):
        rig.hear(20)
    rig.shield.key(0.2)
    assert len(masks(rig.hear(800))) == 1
