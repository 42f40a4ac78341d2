"""How a request of ours ended, for whoever decides what comes next."""

import re
from dataclasses import dataclass

from ivr.sip.client_transaction import Failure
from ivr.sip.errors import MalformedMessageError
from ivr.sip.grammar import param_of, parse_params, to_int
from ivr.sip.message import Response
from ivr.sip.statuses import phrase


@dataclass(frozen=True, slots=True)
class Outcome:
    """A final response, or what stands for one when none came (`local`).

    `retry_after` is in seconds. `warnings` and `reasons` are the values of
    Warning and Reason as written; `contacts` are those of a 3xx.
    """

    status: int
    reason: str
    local: bool = False
    retry_after: int | None = None
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    @property
    def q850(self) -> int | None:
        """The cause the telephone network gave (RFC 3326), None when it gave none."""
        for one in self.reasons:
            protocol, _, params = one.partition(";")
            if protocol.strip(" \t").upper() == "Q.850":
                try:
                    cause = param_of(parse_params(f";{params}"), "cause")
                except MalformedMessageError:
                    continue
                return to_int(cause or "", 128)
        return None


def outcome_of(response: Response) -> Outcome:
    """Return what a final response says; what is malformed in it is left out."""
    redirects = 300 <= response.status < 400
    return Outcome(
        response.status,
        response.reason or phrase(response.status),
        retry_after=retry_after(response),
        warnings=_values(response, "Warning"),
        reasons=_values(response, "Reason"),
        contacts=_values(response, "Contact") if redirects else (),
    )


def no_response(failure: Failure) -> Outcome:
    """Return what stands for a response that did not come (RFC 3261 §8.1.3.1)."""
    if failure is Failure.TIMEOUT:
        return Outcome(408, "No response", local=True)
    return Outcome(503, "No target could be reached", local=True)


def retry_after(response: Response) -> int | None:
    """Return the seconds of Retry-After, None without it (RFC 3261 §20.33)."""
    text = response.headers.get("Retry-After")
    return to_int(re.split(r"[ \t;(]", text, maxsplit=1)[0], 2**32) if text else None


def _values(response: Response, name: str) -> tuple[str, ...]:
    try:
        return tuple(response.headers.values(name))
    except MalformedMessageError:
        return ()
