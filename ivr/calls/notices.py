"""Reading the gateway's webhooks that the web side has kept, which cannot verify them."""

from typing import Protocol

import structlog

from ivr.calls.cashier import AttemptLedger, record_end
from ivr.ledger.database import LedgerUnavailableError
from ivr.ledger.webhooks import Webhook
from payment_gateway.interface import Gateway, GatewayError, WebhookRefusedError
from payment_gateway.results import Notice

_log = structlog.get_logger(__name__)


class Inbox(AttemptLedger, Protocol):
    """What reading notices needs of the ledger."""

    async def unhandled_webhooks(self, most: int = 100) -> list[Webhook]:
        """Return the kept webhooks, oldest first."""

    async def mark_webhook(
        self, webhook_id: int, *, notice_id: str | None, outcome: str
    ) -> bool:
        """Note that one was read; False when a webhook with this notice was read before."""


class NoticeReader:
    """Verifies kept webhooks and records what they tell of payments."""

    def __init__(self, ledger: Inbox, gateway: Gateway) -> None:
        self._ledger = ledger
        self._gateway = gateway

    async def once(self) -> None:
        """Read what has come since the last time."""
        try:
            for webhook in await self._ledger.unhandled_webhooks():
                if webhook.gateway == self._gateway.name:
                    await self._read(webhook)
        except LedgerUnavailableError as error:
            _log.warning("webhooks.postponed", why=str(error))

    async def _read(self, webhook: Webhook) -> None:
        try:
            notice = self._gateway.parse_webhook(webhook.body.encode(), webhook.headers)
        except WebhookRefusedError as error:
            _log.warning("webhook.refused", webhook=webhook.id, why=str(error))
            await self._ledger.mark_webhook(webhook.id, notice_id=None, outcome="refused")
            return
        except GatewayError as error:
            # A missing secret is mended by who runs this; the webhook stays for then.
            _log.critical("gateway.misconfigured", why=str(error))
            return
        await self._apply(notice)
        await self._ledger.mark_webhook(webhook.id, notice_id=notice.id, outcome=notice.kind)

    async def _apply(self, notice: Notice) -> None:
        if notice.attempt_key and notice.result is not None:
            settled = await record_end(self._ledger, notice.attempt_key, notice.result)
            _log.info("webhook.read", kind=notice.kind, settled=settled)
