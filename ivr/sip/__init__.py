"""Signalling after RFC 3261: parsers and state machines without I/O, a thin transport.

    udp ◄─► UserAgent ◄─► Sessions ◄─► IncomingCall, a Session ◄─► CallHandler
               │                          │                     (the application's)
               │                          ├── Dialog: tags, sequence numbers, routes
               │                          └── Acceptance: the 200 until its ACK
               ├── ServerTransactions, ClientTransactions
               ├── Registrar ── DigestAuthenticator
               └── parse() ── Request, Response ── Headers, Via, NameAddr, Uri

Bodies are bytes that nobody here looks into.
"""

from ivr.sip.address import Address, DatagramSender, Transport
from ivr.sip.call import IncomingCall
from ivr.sip.errors import (
    CallStateError,
    MalformedMessageError,
    NotAcceptableHereError,
    SipError,
)
from ivr.sip.handler import CallEnd, CallHandler
from ivr.sip.headers import Headers
from ivr.sip.message import CSeq, Request, Response
from ivr.sip.name_addr import NameAddr, parse_name_addr
from ivr.sip.parser import parse
from ivr.sip.registrar import Binding, Registrar
from ivr.sip.session import Session
from ivr.sip.ua import UserAgent
from ivr.sip.udp import UdpTransport, listen
from ivr.sip.uri import Uri, parse_uri

__all__ = [
    "Address",
    "Binding",
    "CSeq",
    "CallEnd",
    "CallHandler",
    "CallStateError",
    "DatagramSender",
    "Headers",
    "IncomingCall",
    "MalformedMessageError",
    "NameAddr",
    "NotAcceptableHereError",
    "Registrar",
    "Request",
    "Response",
    "Session",
    "SipError",
    "Transport",
    "UdpTransport",
    "Uri",
    "UserAgent",
    "listen",
    "parse",
    "parse_name_addr",
    "parse_uri",
]
