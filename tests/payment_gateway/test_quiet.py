import logging
import logging.config

import pytest
import stripe

from payment_gateway.interface import GatewayConfigurationError
from payment_gateway.quiet import quiet_loggers
from payment_gateway.stripe_gateway import StripeGateway

NAMES = ["stripe", "httpx", "httpcore", "httpcore.http11", "httpcore.connection"]


@pytest.mark.parametrize("name", NAMES)
def test_a_later_configuration_cannot_make_the_libraries_talk(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    quiet_loggers()
    before = logging.getLogger(name).level
    logging.config.dictConfig(
        {
            "version": 1,
            "incremental": True,
            "loggers": {name: {"level": "DEBUG"}},
        }
    )
    try:
        logging.getLogger(name).debug("number=4242424242424242")
        logging.getLogger(name).info("number=4242424242424242")
        logging.getLogger(name).warning("told")
    finally:
        logging.getLogger(name).setLevel(before)
    assert caplog.messages == ["told"]


def test_the_sdks_own_switch_is_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "log", "debug")
    quiet_loggers()
    assert stripe.log is None


def test_the_gateway_is_not_built_while_the_sdk_would_print(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRIPE_LOG", "debug")
    with pytest.raises(GatewayConfigurationError, match="STRIPE_LOG"):
        StripeGateway("sk_test_1")
