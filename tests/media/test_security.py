"""Encrypted or not: what each policy answers, offers, accepts and refuses."""

import pytest

from ivr.media.address import Address
from ivr.media.negotiation import (
    Negotiated,
    NotAcceptable,
    OurSide,
    answer,
    make_offer,
    read_answer,
)
from ivr.media.sdes import Suite, read_cryptos
from ivr.media.sdp import Description, parse, render
from ivr.media.security import SrtpPolicy

OFF, OFFERED, REQUIRED = SrtpPolicy
KEY = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
OTHER_KEY = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"
CRYPTO = f"a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20"
USELESS = f"a=crypto:4 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"
AVP = "m=audio 4000 RTP/AVP 8"
SAVP = "m=audio 4000 RTP/SAVP 8"


def body(*lines: str) -> Description:
    head = ["v=0", "o=- 7 7 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0"]
    return parse("\r\n".join([*head, *lines]).encode())


def our_side(policy: SrtpPolicy) -> OurSide:
    return OurSide(Address("192.0.2.1", 20000), 42, policy)


@pytest.mark.parametrize("policy", [OFFERED, REQUIRED])
@pytest.mark.parametrize("line", [AVP, SAVP])
def test_keys_are_answered_with_keys_of_our_own(policy: SrtpPolicy, line: str) -> None:
    description, negotiated = answer(body(line, CRYPTO), our_side(policy))
    media = description.media[0]
    assert media.protocol == line.split()[2]
    (ours,) = read_cryptos(media)
    security = negotiated.security
    assert security is not None
    assert (ours.tag, ours.suite) == (4, Suite.AES_CM_128_HMAC_SHA1_80)
    assert ours.key == security.ours != security.theirs
    assert security.theirs.reveal() == b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#"
    assert "inline" not in repr(description) + repr(negotiated)


@pytest.mark.parametrize(
    ("policy", "lines", "warning"),
    [
        (OFF, [SAVP, CRYPTO], 302),
        (OFFERED, [SAVP], 399),
        (OFFERED, [SAVP, USELESS], 399),
        (REQUIRED, [AVP], 399),
        (REQUIRED, [AVP, USELESS], 399),
        (REQUIRED, [SAVP, USELESS], 399),
        (REQUIRED, ["m=audio 4000 UDP/TLS/RTP/SAVP 8", CRYPTO], 302),
        (REQUIRED, [SAVP.replace(" 8", " 9"), CRYPTO], 305),
    ],
)
def test_what_is_not_as_secure_as_it_must_be_is_refused(
    policy: SrtpPolicy, lines: list[str], warning: int
) -> None:
    with pytest.raises(NotAcceptable) as refused:
        answer(body(*lines), our_side(policy))
    assert refused.value.warning == warning
    assert KEY not in refused.value.reason


@pytest.mark.parametrize(
    ("policy", "lines"),
    [(OFF, [AVP, CRYPTO]), (OFFERED, [AVP]), (OFFERED, [AVP, USELESS])],
)
def test_in_the_clear_nothing_is_said_of_keys(policy: SrtpPolicy, lines: list[str]) -> None:
    description, negotiated = answer(body(*lines), our_side(policy))
    assert negotiated.security is None
    assert b"crypto" not in render(description)


@pytest.mark.parametrize("policy", [OFFERED, REQUIRED])
def test_of_two_lines_the_one_with_keys_is_taken(policy: SrtpPolicy) -> None:
    description, negotiated = answer(body(AVP, SAVP, CRYPTO), our_side(policy))
    assert [media.port for media in description.media] == [0, 20000]
    assert negotiated.security is not None


def test_the_first_suite_of_the_peer_that_we_speak_is_taken() -> None:
    lines = [
        SAVP,
        USELESS,
        f"a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}",
        f"a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{OTHER_KEY}",
    ]
    _, negotiated = answer(body(*lines), our_side(OFFERED))
    assert negotiated.security is not None
    assert negotiated.security.suite is Suite.AES_CM_128_HMAC_SHA1_32


def test_a_repeated_offer_changes_nothing_and_a_new_key_gets_a_new_one() -> None:
    ours = our_side(OFFERED)
    first, agreed = answer(body(SAVP, CRYPTO), ours)
    again, same = answer(body(SAVP, CRYPTO), ours, agreed)
    assert (render(again), same) == (render(first), agreed)
    fresh, changed = answer(body(SAVP, CRYPTO.replace(KEY, OTHER_KEY)), ours, same)
    assert changed.security is not None
    assert agreed.security is not None
    assert changed.security.ours != agreed.security.ours
    assert fresh.origin.version == "2"


def test_what_was_encrypted_stays_so() -> None:
    ours = our_side(OFFERED)
    _, agreed = answer(body(SAVP, CRYPTO), ours)
    with pytest.raises(NotAcceptable, match="stays"):
        answer(body(AVP), ours, agreed)
    offer = make_offer(ours, agreed)
    assert offer.media[0].protocol == "RTP/SAVP"
    with pytest.raises(NotAcceptable):
        read_answer(offer, body(SAVP), ours, agreed)


def offered(policy: SrtpPolicy) -> tuple[OurSide, Description]:
    ours = our_side(policy)
    return ours, make_offer(ours)


@pytest.mark.parametrize(
    ("policy", "protocol", "keys"),
    [(OFF, "AVP", 0), (OFFERED, "AVP", 2), (REQUIRED, "SAVP", 2)],
)
def test_an_offer_says_what_the_policy_wants(
    policy: SrtpPolicy, protocol: str, keys: int
) -> None:
    _, offer = offered(policy)
    cryptos = read_cryptos(offer.media[0])
    assert offer.media[0].protocol == f"RTP/{protocol}"
    assert len({crypto.key.reveal() for crypto in cryptos}) == len(cryptos) == keys
    assert [crypto.tag for crypto in cryptos] == [1, 2][:keys]


def test_each_offer_has_new_keys() -> None:
    ours = our_side(REQUIRED)
    first, second = make_offer(ours), make_offer(ours)
    assert read_cryptos(first.media[0])[0].key != read_cryptos(second.media[0])[0].key
    assert (first.origin.version, second.origin.version) == ("1", "2")


def test_an_answer_tells_which_key_was_taken() -> None:
    ours, offer = offered(REQUIRED)
    reply = body(SAVP, f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")
    security = read_answer(offer, reply, ours).security
    assert security is not None
    assert security.ours == read_cryptos(offer.media[0])[0].key
    assert security.theirs == read_cryptos(reply.media[0])[0].key


def plain_of(negotiated: Negotiated) -> bool:
    return negotiated.security is None


def test_an_answer_in_the_clear_is_taken_only_where_it_may_be() -> None:
    ours, offer = offered(OFFERED)
    assert plain_of(read_answer(offer, body(AVP), ours))
    ours, offer = offered(OFF)
    assert plain_of(read_answer(offer, body(AVP, CRYPTO), ours))
    ours, offer = offered(REQUIRED)
    for reply in (body(AVP), body(SAVP), body(AVP, CRYPTO)):
        with pytest.raises(NotAcceptable):
            read_answer(offer, reply, ours)


@pytest.mark.parametrize(
    "keys",
    [
        [CRYPTO],
        [USELESS],
        [f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"],
        [f"a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"],
        [
            f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
            f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        ],
    ],
)
def test_an_answer_with_keys_that_were_not_asked_for_is_no_answer(keys: list[str]) -> None:
    ours, offer = offered(OFFERED)
    with pytest.raises(NotAcceptable, match="not offered"):
        read_answer(offer, body(AVP, *keys), ours)


def test_our_own_key_sent_back_is_refused() -> None:
    ours, offer = offered(OFFERED)
    echo = next(a for a in offer.media[0].attributes if a.name == "crypto")
    with pytest.raises(NotAcceptable, match="one that was offered"):
        read_answer(offer, body(AVP, f"a=crypto:{echo.value}"), ours)
