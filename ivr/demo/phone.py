"""A telephone that nobody here wrote: pyVoIP, told what to do by JSON lines.

pyVoIP is licensed under the GPL, version 3. It is imported by this module and `phone_sound`
only, which run only as a process of their own (`python -m ivr.demo.phone`), never inside the
server's.
`ivr.demo.phone_client` starts it and talks with it, in the words of `ivr.demo.phone_desk`.

What is pyVoIP's is left as naive as it is. Changed are only what it cannot do at all
(telephone-events, RFC 4733; an ACK that acknowledges), what it spoils (it keeps 8 bits of what
it hears), and what it hides (which final response ended a call).
"""

import functools
import logging
import os
import socket
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from ivr.demo.phone_audio import TICK_MS, Heard
from ivr.demo.phone_desk import CallRefusedError, report, serve

with warnings.catch_warnings():
    # pyVoIP imports audioop, which Python 3.11 and 3.12 announce the end of.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pyVoIP.VoIP  # pyVoIP.SIP and this import each other; SIP cannot be first
    from pyVoIP import RTP, SIP
    from pyVoIP.VoIP import VoIP
    from pyVoIP.VoIP.status import PhoneStatus

    from ivr.demo.phone_sound import Sound

_TICK_SECONDS: Final = TICK_MS / 1000
_EVENT_PAYLOAD_TYPE: Final = 101
_REGISTER_SECONDS: Final = 15.0
_LEAVE_SECONDS: Final = 3.0

# `pyVoIP.debug` prints what it did not expect among our events.
vars(pyVoIP)["print"] = functools.partial(print, file=sys.stderr)


class Call(VoIP.VoIPCall):
    """pyVoIP's call, with `Sound` where pyVoIP makes its RTPClient; it reports its end."""

    phone: "Phone"
    sound: Sound | None = None
    heard: Heard | None = None

    def create_rtp_clients(
        self, codecs: Any, ip: str, port: int, request: SIP.SIPMessage, baseport: int
    ) -> None:
        """Open a stream for each connection of the far end's SDP, as pyVoIP does."""
        self.heard = Heard(time.monotonic())
        for index, connection in enumerate(request.body["c"]):
            far = (connection["address"], baseport + index)
            self.sound = Sound(
                codecs, ip, port, *far, self.sendmode, self.dtmf_callback, heard=self.heard
            )
            self.RTPClients.append(self.sound)

    def answered(self, request: SIP.SIPMessage) -> None:
        """Take the far end's 200, which comes again if the ACK is lost."""
        if self.state != VoIP.CallState.DIALING:
            return
        try:
            super().answered(request)
        except Exception as error:
            report("error", do="call", reason=f"{type(error).__name__} in the answer: {error}")
            raise
        report("answered")

    def bye(self) -> None:
        """Take the far end's BYE."""
        was_answered = self.state == VoIP.CallState.ANSWERED
        super().bye()
        if was_answered:
            self._ended("far")

    def hangup(self) -> None:
        """Send BYE. Raise pyVoIP's InvalidStateError when the call was not answered."""
        super().hangup()
        self._ended("near")

    def take(self) -> None:
        """Answer the far end's call."""
        super().answer()
        report("answered")

    def _ended(self, by: str) -> None:
        record = self.phone.next_record()
        if self.heard is not None:
            self.heard.write(record, time.monotonic())
        events = self.sound.events_heard if self.sound is not None else 0
        report("hung-up", by=by, heard=str(record), events=events)


class Signalling(SIP.SIPClient):
    """pyVoIP's SIP, which reports the final responses that pyVoIP passes over."""

    def parse_message(self, message: SIP.SIPMessage) -> None:
        """Report and acknowledge a refused INVITE; everything else is pyVoIP's.

        Raise CallRefusedError then, because pyVoIP would wait for a ringing tone for ever; its
        receiving loop ignores exceptions.
        """
        if (
            message.type == SIP.SIPMessageType.RESPONSE
            and message.headers["CSeq"]["method"] == "INVITE"
            and int(message.status) >= 300
        ):
            self.out.sendto(self.gen_ack(message).encode(), (self.server, self.port))
            if isinstance(self.phone, Phone):
                self.phone.refused(message)
            raise CallRefusedError
        super().parse_message(message)


class Phone(VoIP.VoIPPhone):
    """pyVoIP's phone with the parts above, at free ports of the address that faces `server`."""

    def __init__(self, server: str, port: int, user: str, password: str, record: Path) -> None:
        address = _address_towards(server, port)
        super().__init__(server, port, user, password, myIP=address)
        self.sip = Signalling(
            server,
            port,
            user,
            password,
            phone=self,
            myIP=address,
            myPort=_free_port(address),
            callCallback=self.callback,
            fatalCallback=self.fatal,
        )
        self.record = record
        self._recorded = 0
        self.current: Call | None = None
        self._refused: set[str] = set()

    def log_in(self) -> None:
        """Register and report it. Raise TimeoutError when the registrar lets nobody in."""
        self.start()
        deadline = time.monotonic() + _REGISTER_SECONDS
        while self.get_status() is not PhoneStatus.REGISTERED:
            if self.get_status() is PhoneStatus.FAILED or time.monotonic() > deadline:
                raise TimeoutError("the registrar did not answer, or refused the password")
            time.sleep(_TICK_SECONDS)
        report("registered")

    def dial(self, number: str) -> None:
        """Send an INVITE and wait, as pyVoIP does, for the far end's first sign of life.

        In place of pyVoIP's `call`, which makes a VoIPCall. Raise CallRefusedError.
        """
        if not self.NSD:
            raise ValueError("not registered")
        media: Any = {  # pyVoIP annotates its own argument wrongly
            self.request_port(): {
                0: RTP.PayloadType.PCMU,
                _EVENT_PAYLOAD_TYPE: RTP.PayloadType.EVENT,
            }
        }
        request, call_id, session = self.sip.invite(number, media, RTP.TransmitType.SENDRECV)
        dialing = VoIP.CallState.DIALING
        self.current = Call(
            self, dialing, request, session, self.myIP, ms=media, sendmode=self.sendmode
        )
        self.calls[call_id] = self.current

    def take_calls(self) -> None:
        """Answer who calls, from now on; without this they hear that it is busy."""
        self.callCallback = self._take

    def _take(self, call: VoIP.VoIPCall) -> None:
        if not isinstance(call, Call) or call.state != VoIP.CallState.RINGING:
            return  # the caller has given up within pyVoIP's second of ringing
        self.current = call
        call.take()

    def _create_Call(self, request: SIP.SIPMessage, sess_id: int) -> None:  # noqa: N802 - pyVoIP's name
        """Make our `Call` where pyVoIP makes its own."""
        report("ringing")
        self.calls[request.headers["Call-ID"]] = Call(
            self, VoIP.CallState.RINGING, request, sess_id, self.myIP, sendmode=self.recvmode
        )

    def next_record(self) -> Path:
        """Return the file for the call that has ended: each after the first gets a number."""
        self._recorded += 1
        if self._recorded == 1:
            return self.record
        return self.record.with_stem(f"{self.record.stem}-{self._recorded}")

    def press(self, keys: str, press_ms: int, gap_ms: int, tones: str) -> None:
        """Press keys in the call. Raise ValueError when that cannot be done."""
        if self.current is None or self.current.sound is None or not self.current.sound.NSD:
            raise ValueError("no call is answered")
        self.current.sound.press(keys, press_ms, gap_ms, tones)

    def hang_up(self) -> None:
        """End the call. Raise ValueError when none was answered; pyVoIP has no CANCEL."""
        if self.current is None:
            raise ValueError("no call is answered")
        try:
            self.current.hangup()
        except VoIP.InvalidStateError as error:
            raise ValueError("no call is answered") from error

    def refused(self, response: SIP.SIPMessage) -> None:
        """Report once that `response` refused a call, and forget the call."""
        call_id = response.headers["Call-ID"]
        self.calls.pop(call_id, None)
        if call_id not in self._refused:
            self._refused.add(call_id)
            report(
                "refused",
                status=int(response.status),
                reason=response.heading.decode(errors="replace").split(" ", 2)[-1],
                retry_after=response.headers.get("Retry-After"),
            )

    def request_port(self, blocking: bool = True) -> int:  # noqa: ARG002 - pyVoIP's signature
        """Return an even port that is free now; pyVoIP draws one that may be taken."""
        while (port := _free_port(self.myIP)) % 2:
            pass
        self.assignedPorts.append(port)
        return port

    def leave(self) -> None:
        """Hang up and deregister if that can be done soon, whatever pyVoIP waits for."""
        leaving = threading.Thread(target=self.stop, daemon=True)
        leaving.start()
        leaving.join(_LEAVE_SECONDS)


@click.command()
@click.option("--registrar", required=True, metavar="HOST:PORT", help="Whom to register with.")
@click.option("--user", required=True, help="The name to register.")
@click.option(
    "--password-env", required=True, metavar="NAME", help="The variable with the password."
)
@click.option("--number", help="What `call` calls when it names no number.")
@click.option(
    "--record",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The WAV file for what the phone's owner hears.",
)
def main(
    registrar: str, user: str, password_env: str, number: str | None, record: Path
) -> NoReturn:
    """Be a telephone: commands on standard input, events on standard output."""
    # pyVoIP warns of calls that nobody took, and resets the filters as it does.
    warnings.simplefilter("default")
    logging.captureWarnings(capture=True)
    threading.excepthook = lambda failed: report(
        "error", do=None, reason=f"{failed.exc_type.__name__} in a thread of pyVoIP"
    )
    host, _, port = registrar.rpartition(":")
    try:
        phone = Phone(host, int(port), user, os.environ[password_env], record)
    except KeyError as error:
        raise click.ClickException(f"{password_env} is not set") from error
    except (ValueError, OSError) as error:
        raise click.ClickException(
            f"cannot reach the registrar {registrar}: {error}"
        ) from error
    serve(phone, sys.stdin, number)
    phone.leave()
    os._exit(0)  # pyVoIP's timers would keep the process for minutes


def _address_towards(host: str, port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        return str(probe.getsockname()[0])


def _free_port(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
