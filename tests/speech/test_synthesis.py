import numpy as np
import pytest

from ivr.speech.errors import SynthesisError
from ivr.speech.fragments import Fragment, Manner
from ivr.speech.levels import FRAME, RATE, Samples
from ivr.speech.synthesis import Synthesis
from ivr.speech.voices import VOICES, Pico
from tests.speech.fake_voice import WORD_MS, ToneVoice, words_heard


@pytest.mark.parametrize("manner", Manner)
def test_a_fragment_holds_its_own_words_and_none_of_its_carrier(manner: Manner) -> None:
    synthesis = Synthesis(ToneVoice(), "fr")
    piece = synthesis.fragment(Fragment("euros-200", "deux cent euros", manner))
    assert words_heard(piece) == ["deux", "cent", "euros"]
    spoken = 3 * WORD_MS / 1000
    assert spoken + 0.04 <= len(piece) / RATE <= spoken + 0.08


@pytest.mark.parametrize(
    ("manner", "carrier"),
    [
        (Manner.FINAL, "Here is the amount. one euro."),
        (Manner.CONTINUING, "Here is the amount. one euro, and ten cents."),
        (Manner.ENDING, "Here is the amount. two euros, one euro."),
        (Manner.JOINED, "Here is the amount. one euro twenty."),
    ],
)
def test_the_carrier_asks_for_the_intonation(manner: Manner, carrier: str) -> None:
    voice = ToneVoice()
    Synthesis(voice, "en").fragment(Fragment("euros-1", "one euro", manner))
    assert voice.said[0] == carrier


def test_the_closure_is_found_at_the_ending_not_at_a_t_of_the_fragment() -> None:
    piece = Synthesis(ToneVoice(), "fr").fragment(
        Fragment("thousands-3", "trois cent", Manner.JOINED)
    )
    assert words_heard(piece) == ["trois", "cent"]


def test_a_voice_that_makes_no_pauses_is_refused_by_name() -> None:
    synthesis = Synthesis(ToneVoice("hasty", breathless=True), "fr")
    with pytest.raises(SynthesisError, match="hasty made 0 pauses around 'deux', not 1"):
        synthesis.fragment(Fragment("euros-2", "deux", Manner.FINAL))


def test_a_voice_that_says_nothing_is_refused() -> None:
    class Mute(ToneVoice):
        def say(self, text: str) -> tuple[Samples, int]:
            return np.zeros(16_000, np.float32), 16_000

    with pytest.raises(SynthesisError, match=r"said nothing for 'Oui\.'"):
        Synthesis(Mute(), "fr").sentence("Oui.")


def test_a_prompt_is_trimmed_to_whole_frames() -> None:
    clip = Synthesis(ToneVoice(), "fr").sentence("deux euros.")
    assert len(clip) % FRAME == 0
    assert words_heard(clip) == ["deux", "euros"]


def test_pico_reads_the_same_text_alike_whatever_it_read_before() -> None:
    pico = VOICES["pico"]("fr")
    first, rate = pico.say("Voici le montant. deux euros.")
    pico.say("et trois centimes.")
    again, _ = pico.say("Voici le montant. deux euros.")
    assert rate == 16_000
    assert np.array_equal(first, again)
    assert 0.1 < np.abs(first).max() < 0.999


def test_a_voice_that_is_not_installed_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ivr.speech.voices.find_spec", lambda name: None)
    with pytest.raises(SynthesisError, match=r"solde\[voices\]"):
        Pico("fr-FR", 1.0, 20).say("Oui.")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SynthesisError, match="apt-get install espeak-ng"):
        VOICES["espeak-ng"]("fr").say("Oui.")


def test_a_voice_program_that_fails_says_why() -> None:
    with pytest.raises(SynthesisError, match="ended with"):
        Pico("fr-XX", 1.0, 20).say("Oui.")
