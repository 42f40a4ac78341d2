"""How requests travel to Stripe: httpx under the SDK's own seam for HTTP clients.

The SDK's httpx client passes the form in a deprecated way (a warning on every
request) and chains httpx's exceptions, which hold the request and so the card.
This one says only whether the request may have arrived.
"""

from collections.abc import Mapping

import httpx
import stripe

_CONNECT_TIMEOUT = 5.0
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class ConnectionFailedError(stripe.APIConnectionError):
    """No answer came: `fault` says how, `sent` whether the request may have arrived."""

    def __init__(self, fault: str, *, sent: bool) -> None:
        super().__init__(f"no answer from Stripe ({fault})")  # type: ignore[no-untyped-call]  # the SDK's gap
        self.fault = fault
        self.sent = sent


class HttpClient(stripe.HTTPClient):
    """Connections to one API; belongs to the event loop it is first used on.

    `timeout` is in seconds, for each wait on the network.
    """

    name = "httpx"

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT))
        )

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request. Raise `ConnectionFailedError`."""
        try:
            response = await self._client.request(
                method, url, headers=dict(headers), content=post_data
            )
        except httpx.HTTPError as error:
            fault, sent = type(error).__name__, not isinstance(error, _NEVER_SENT)
        else:
            return response.content, response.status_code, response.headers
        raise ConnectionFailedError(fault, sent=sent)

    async def close_async(self) -> None:
        """Close the connections."""
        await self._client.aclose()
