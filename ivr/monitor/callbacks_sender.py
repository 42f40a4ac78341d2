"""Telling endpoints what happens, signed as Standard Webhooks has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
One delivery at a time for each endpoint, so its order holds; all endpoints side by side, so
one that does not answer holds nobody else up.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import urlencode

import httpx
import structlog

from ivr.ledger import callbacks
from ivr.ledger.database import Database, LedgerUnavailableError
from ivr.ledger.payment_sessions import captured_steps
from ivr.ledger.reading import get_transaction
from ivr.monitor import answers, payments
from ivr.monitor.models_callbacks import CallbackData, CallbackMessage
from ivr.monitor.stream import Waker

PREFIX: Final = "whsec_"
TIMEOUT: Final = 10.0
"""Seconds for the whole of a try."""
_LOOK: Final = 1.0
_MOST_AT_ONCE: Final = 50
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses as IPv6 hosts reach them (RFC 6052, section 2.1)."""

log = structlog.get_logger(__name__)


class RefusedAddressError(Exception):
    """The endpoint's host is at an address that must not be called."""


def new_secret() -> str:
    """Return a new secret to sign with: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers that prove who sent `body`, and when."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    seconds = str(int(at.timestamp()))
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    proof = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{proof}",
    }


class CallbackSender:
    """Delivers what is due. `private` says whether private addresses may be called."""

    def __init__(
        self,
        database: Database,
        waker: Waker,
        now: Callable[[], datetime],
        *,
        private: Literal["allow", "refuse"] = "allow",
        timeout: float = TIMEOUT,
    ) -> None:
        self._database = database
        self._waker = waker
        self._now = now
        self._private = private
        self._timeout = timeout
        self._sending: dict[str, asyncio.Task[None]] = {}
        # The proxies and certificates of the environment are for people's programs.
        self._client = httpx.AsyncClient(
            follow_redirects=False, timeout=timeout, trust_env=False
        )

    async def run(self) -> None:
        """Plan and deliver until cancelled."""
        try:
            while True:
                turn = self._waker.turn
                try:
                    await self.begin()
                except LedgerUnavailableError as error:
                    log.warning("callbacks-not-planned", why=str(error))
                await self._waker.after(turn, _LOOK)
        finally:
            await self.close()

    async def begin(self) -> None:
        """Plan what has happened and begin to send to each endpoint that is due."""
        await callbacks.plan(self._database, self._now)
        for endpoint_id in await callbacks.due_endpoints(self._database, self._now):
            if endpoint_id in self._sending or len(self._sending) >= _MOST_AT_ONCE:
                continue
            self._sending[endpoint_id] = asyncio.create_task(self._send_all(endpoint_id))

    async def settled(self) -> None:
        """Return when nothing is being sent."""
        while self._sending:
            await asyncio.wait(self._sending.values())

    async def close(self) -> None:
        """Stop sending; what is under way is tried again by whoever comes next."""
        for task in self._sending.values():
            task.cancel()
        with suppress(asyncio.CancelledError):
            await self.settled()
        await self._client.aclose()

    async def _send_all(self, endpoint_id: str) -> None:
        try:
            while True:
                claimed = await callbacks.claim_delivery(self._database, self._now, endpoint_id)
                if claimed is None:
                    return
                await self._send(claimed)
        except LedgerUnavailableError as error:
            log.warning("callback-not-settled", endpoint=endpoint_id, why=str(error))
        except Exception:
            log.exception("callback-failed", endpoint=endpoint_id)
        finally:
            self._sending.pop(endpoint_id, None)

    async def _send(self, claimed: callbacks.Claimed) -> None:
        content = await self._content(claimed)
        status, error = None, None
        if content is not None:
            body, media_type = content
            try:
                async with asyncio.timeout(self._timeout):
                    status = await self._post(claimed, body, media_type)
                if not httpx.codes.is_success(status):
                    error = f"answered {status}"
            except TimeoutError:
                error = f"no answer within {self._timeout:g} s"
            except RefusedAddressError as refused:
                error = str(refused)
            except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failed:
                # An exception's own words may repeat an address with a secret in it.
                error = f"not sent: {type(failed).__name__}"
        await callbacks.settle_delivery(
            self._database, self._now, claimed, status=status, error=error
        )
        if status == HTTPStatus.GONE and claimed.endpoint.payment is None:
            # As the specification has it: the endpoint wants nothing more. A session of the
            # Payments resource has to stay: its payment can still be completed or cancelled.
            await callbacks.remove_endpoint(self._database, self._now, claimed.endpoint.id)

    async def _content(self, claimed: callbacks.Claimed) -> tuple[bytes, str] | None:
        """Return body and media type; None where a status callback has no words for it."""
        event = answers.event(claimed.event)
        row = (
            None
            if event.transaction_id is None
            else await get_transaction(self._database, event.transaction_id)
        )
        if claimed.endpoint.payment is not None:
            captured = (
                await captured_steps(self._database, event.transaction_id, event.id)
                if event.transaction_id is not None
                else ()
            )
            form = payments.status_callback(claimed.endpoint.payment, event, row, captured)
            if form is None:
                return None
            return urlencode(form).encode(), "application/x-www-form-urlencoded"
        message = CallbackMessage(
            type=event.type,
            timestamp=event.at,
            data=CallbackData(
                event=event, transaction=None if row is None else answers.transaction(row)
            ),
        )
        return message.model_dump_json().encode(), "application/json"

    async def _post(self, claimed: callbacks.Claimed, body: bytes, media_type: str) -> int:
        url = httpx.URL(claimed.endpoint.url)
        headers = {
            "content-type": media_type,
            "user-agent": "Solde",
            **signature(
                claimed.endpoint.secret, f"event-{claimed.event.id}", self._now(), body
            ),
        }
        extensions: dict[str, str] = {}
        if self._private == "refuse":
            # The address that was looked at is the one that is called: a name may change.
            address = await _public_address(url)
            headers["host"] = url.netloc.decode()
            extensions["sni_hostname"] = url.host
            url = url.copy_with(host=address)
        # The answer's body is not read: it may be endless.
        async with self._client.stream(
            "POST", url, content=body, headers=headers, extensions=extensions
        ) as answer:
            return answer.status_code


def is_public(address: str) -> bool:
    """Whether an address is somebody's on the internet, also where it only stands for one."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _TRANSLATED:
            inner = ipaddress.IPv4Address(found.packed[-4:])
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local:
            return False
    return found.is_global and not found.is_multicast


async def _public_address(url: httpx.URL) -> str:
    port = url.port or (443 if url.scheme == "https" else 80)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        if not is_public(address):
            raise RefusedAddressError(
                "not sent: private address; see the setting callbacks.private_addresses"
            )
    return addresses[0]
