"""Signalling after RFC 3261: parsers and state machines without I/O, a thin transport.

Transports ◄─► UserAgent ◄─► Sessions ◄─► IncomingCall, a Session ◄─► CallHandler
               │                          │                     (the application's)
               │                          ├── Dialog: tags, sequence numbers, routes
               │                          ├── Acceptance: the 200 until its ACK
               │                          ├── ReliableResponses: 180, 183 until their PRACK
               │                          ├── Change: a re-INVITE or an UPDATE of ours
               │                          ├── SessionTimer: who refreshes, and when it ends
               │                          └── Transfer, Referral: REFER of ours, of theirs
               ├── Outbound ◄─► OutgoingCall, a Session ◄─► OutgoingHandler
               │      ├── Attempt: one INVITE to one target, forks, CANCEL
               │      ├── Resolver, Targets: where it goes, and where next
               │      └── Trunks: a Line for each Trunk, with Registration and Watch
               ├── ServerTransactions, ClientTransactions
               ├── Guard: who is heard, who is answered
               ├── Registrar ── DigestAuthenticator, Lockout
               └── parse() ── Request, Response ── Headers, Via, NameAddr, Uri

Transports are UDP ports and Connections: a Connection frames TCP or TLS by StreamFramer.
TLS itself is in `ivr.sip.tls`, which loads OpenSSL. Bodies are bytes that nobody here
looks into.
"""

from ivr.sip.access import AccessList
from ivr.sip.address import Address, DatagramSender, Transport
from ivr.sip.call import IncomingCall
from ivr.sip.call_details import CallDetails, Diversion, History
from ivr.sip.connection import StreamLimits
from ivr.sip.digest_client import Credentials
from ivr.sip.errors import (
    CallStateError,
    MalformedMessageError,
    NameServiceError,
    NotAcceptableHereError,
    RequestRefusedError,
    SipError,
    TlsFileError,
)
from ivr.sip.guard import Guard, Policy, Treatment
from ivr.sip.handler import (
    CallEnd,
    CallHandler,
    EarlyHandler,
    InfoHandler,
    RefreshHandler,
    TransferHandler,
)
from ivr.sip.headers import Headers
from ivr.sip.line import Line
from ivr.sip.message import CSeq, Request, Response
from ivr.sip.name_addr import NameAddr, parse_name_addr
from ivr.sip.names import CachedNames, NameService
from ivr.sip.outcome import Outcome
from ivr.sip.outgoing import OutgoingCall
from ivr.sip.outgoing_handler import OutgoingHandler
from ivr.sip.overload import LagMeter
from ivr.sip.parser import parse
from ivr.sip.referral import Referral
from ivr.sip.registrar import Binding, Registrar
from ivr.sip.registration import Registered, RegistrationStatus
from ivr.sip.replaces import Replaces
from ivr.sip.resolution import Resolver
from ivr.sip.session import Session
from ivr.sip.session_timer import TimerPolicy
from ivr.sip.transfer import TransferEnd, TransferResult
from ivr.sip.transports import Transports
from ivr.sip.trunk import Trunk
from ivr.sip.twisted_names import TwistedNames, name_servers
from ivr.sip.ua import UserAgent
from ivr.sip.udp import UdpTransport, listen
from ivr.sip.uri import Uri, parse_uri
from ivr.sip.user_to_user import UserToUser
from ivr.sip.watch import LineState, LineStatus

__all__ = [
    "AccessList",
    "Address",
    "Binding",
    "CSeq",
    "CachedNames",
    "CallDetails",
    "CallEnd",
    "CallHandler",
    "CallStateError",
    "Credentials",
    "DatagramSender",
    "Diversion",
    "EarlyHandler",
    "Guard",
    "Headers",
    "History",
    "IncomingCall",
    "InfoHandler",
    "LagMeter",
    "Line",
    "LineState",
    "LineStatus",
    "MalformedMessageError",
    "NameAddr",
    "NameService",
    "NameServiceError",
    "NotAcceptableHereError",
    "Outcome",
    "OutgoingCall",
    "OutgoingHandler",
    "Policy",
    "Referral",
    "RefreshHandler",
    "Registered",
    "Registrar",
    "RegistrationStatus",
    "Replaces",
    "Request",
    "RequestRefusedError",
    "Resolver",
    "Response",
    "Session",
    "SipError",
    "StreamLimits",
    "TimerPolicy",
    "TlsFileError",
    "TransferEnd",
    "TransferHandler",
    "TransferResult",
    "Transport",
    "Transports",
    "Treatment",
    "Trunk",
    "TwistedNames",
    "UdpTransport",
    "Uri",
    "UserAgent",
    "UserToUser",
    "listen",
    "name_servers",
    "parse",
    "parse_name_addr",
    "parse_uri",
]
