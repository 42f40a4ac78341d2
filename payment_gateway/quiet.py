"""Keeps card numbers out of logs that libraries would write.

At DEBUG the `stripe` logger prints each request's form, card number and security
code in clear; `httpx` and `httpcore` print addresses and headers.
"""

import logging
import os

import stripe

from payment_gateway.interface import GatewayConfigurationError

_NAMES = (
    "stripe",
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def _warnings_only(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def quiet_loggers() -> None:
    """Let these loggers say nothing below WARNING, whatever a configuration says later.

    A level alone would be undone by the next `dictConfig`; a filter on the logger stays.
    Safe to call twice.
    """
    for name in _NAMES:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.addFilter(_warnings_only)
    stripe.log = None


def refuse_stripe_log() -> None:
    """Raise `GatewayConfigurationError` when the SDK was told to print its requests.

    With `STRIPE_LOG` it writes to standard error past every logger.
    """
    if os.environ.get("STRIPE_LOG"):
        raise GatewayConfigurationError(
            "STRIPE_LOG is set in the environment: the Stripe SDK would print card numbers; "
            "unset it"
        )
