"""Keys in session descriptions: the RFC's examples, what peers get wrong, nothing shown."""

import pickle
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.media.sdes import (
    Crypto,
    MasterKey,
    SdesError,
    Suite,
    parse_crypto,
    read_cryptos,
    render_crypto,
)
from ivr.media.sdp import Attribute, Media, parse

KEY = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
"""Of RFC 4568 §9.1."""
GCM_KEY = b64encode(bytes(range(28))).decode()


def media(*values: str) -> Media:
    return Media(
        "audio", 4, "RTP/SAVP", ("8",), attributes=tuple(Attribute("crypto", v) for v in values)
    )


def test_the_rfcs_examples_are_read() -> None:
    crypto = parse_crypto(f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20")
    assert (crypto.tag, crypto.suite) == (1, Suite.AES_CM_128_HMAC_SHA1_80)
    assert crypto.key.reveal() == b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#"
    assert parse_crypto(f"999999999 aes_cm_128_hmac_sha1_32 INLINE:{KEY}").tag == 999999999


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^48",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576",
        f"  7 \t AES_CM_128_HMAC_SHA1_80  inline:{KEY}  KDR=0 WSH=128 -x-vendor=1  ",
        f"1 AEAD_AES_128_GCM inline:{GCM_KEY}",
        f"1 AEAD_AES_128_GCM inline:{GCM_KEY.rstrip('=')}",
    ],
)
def test_what_changes_nothing_is_accepted(value: str) -> None:
    assert len(parse_crypto(value).key.reveal()) == parse_crypto(value).suite.key_size


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "form"),
        ("1", "form"),
        (f"x AES_CM_128_HMAC_SHA1_80 inline:{KEY}", "form"),
        (f"1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}", "form"),
        (f"١ AES_CM_128_HMAC_SHA1_80 inline:{KEY}", "form"),
        (f"1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}", "suite"),
        (f"1 F8_128_HMAC_SHA1_80 inline:{KEY}", "suite"),
        (f"1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}", "method"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:-4]}", "length"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}AAAA", "length"),
        (f"1 AEAD_AES_128_GCM inline:{KEY}", "length"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:", "length"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:-1]}!", "base64"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4", "MKI"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4", "MKI"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4", "MKI"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^49", "lifetime"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^999999999999999", "lifetime"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|281474976710657", "lifetime"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|0", "lifetime"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^", "lifetime"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|2^20", "lifetimes"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1", "session"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP", "session"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNAUTHENTICATED_SRTP", "session"),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} FEC_ORDER=FEC_SRTP", "session"),
    ],
)
def test_what_we_do_not_do_is_refused_without_quoting_the_key(value: str, why: str) -> None:
    with pytest.raises(SdesError, match=why) as refused:
        parse_crypto(value)
    assert KEY[:8] not in str(refused.value)
    assert refused.value.__cause__ is None
    assert read_cryptos(media(value)) == ()


@given(st.text(max_size=200) | st.from_regex(r"1 AES_CM_128_HMAC_SHA1_80 inline:.*"))
def test_arbitrary_text_is_a_key_or_a_refusal(value: str) -> None:
    try:
        crypto = parse_crypto(value)
    except SdesError:
        return
    assert len(crypto.key.reveal()) == crypto.suite.key_size


@given(st.integers(0, 999999999), st.sampled_from(Suite))
def test_a_key_is_read_as_it_was_written(tag: int, suite: Suite) -> None:
    crypto = Crypto(tag, suite, MasterKey.fresh(suite))
    assert parse_crypto(render_crypto(crypto).value or "") == crypto


def test_the_peers_order_holds_and_a_repeated_tag_is_dropped() -> None:
    line = media(
        f"1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}",
        f"3 AES_CM_128_HMAC_SHA1_32 inline:{KEY}",
        f"3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"2 AEAD_AES_128_GCM inline:{GCM_KEY}",
    )
    assert [crypto.tag for crypto in read_cryptos(line)] == [3, 2]


def test_a_thousand_keys_are_not_all_read() -> None:
    good = f"5 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"
    assert read_cryptos(media(*["bad"] * 1000, good)) == ()


def test_a_key_is_shown_nowhere() -> None:
    crypto = parse_crypto(f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")
    description = parse(
        b"v=0\no=- 1 1 IN IP4 h\nc=IN IP4 192.0.2.1\nm=audio 4 RTP/SAVP 8\n"
        b"a=CRYPTO:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY.encode() + b"\na=ptime:20\n"
    )
    for text in (repr(crypto), str(crypto.key), f"{render_crypto(crypto)}", f"{description}"):
        assert KEY[:8] not in text
        assert "wDfvg" not in text
    assert "'ptime', '20'" in repr(description)
    with pytest.raises(TypeError):
        pickle.dumps(crypto)


def test_keys_are_compared_and_never_alike_by_chance() -> None:
    suite = Suite.AEAD_AES_128_GCM
    assert MasterKey(b"a") == MasterKey(b"a")
    assert MasterKey(b"a") != MasterKey(b"b")
    assert MasterKey(b"a") != b"a"
    keys = [MasterKey.fresh(suite).reveal() for _ in range(100)]
    assert len(set(keys)) == 100
