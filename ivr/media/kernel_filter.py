"""A packet filter in the kernel: audio that nobody listens to never wakes Python.

A classic BPF program on the socket (SO_ATTACH_FILTER, Linux) sees the datagram from its
UDP header on: octet 9 is the marker and payload type, octet 11 the low byte of the
sequence number, and the payload of most senders follows from octet 20. It passes keypad
events, one packet in 64 as a sign of life, and, where tones are listened for, audio that
is loud enough to be one. What was dropped is told with the next packet that passes.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Collection

from ivr.media.g711 import Codec

_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_SO_RXQ_OVFL = 40

_LOAD_WORD = 0x20
_LOAD_BYTE = 0x30
_LOAD_LENGTH = 0x80
_AND = 0x54
_JUMP_IF_EQUAL = 0x15
_JUMP_IF_GREATER = 0x25
_RETURN = 0x06

_PAYLOAD_TYPE_AT = 9
_SEQUENCE_LOW_AT = 11
DROPS_SIZE = socket.CMSG_SPACE(4)
ONE_IN = 64
"""Of other packets, those pass whose sequence number is a multiple of it."""
_PASS = 0xFFFFFFFF
_DROP = 0

_PAYLOAD_AT = 20
_LONGEST = 480
"""Octets of payload that are looked into, 60 ms; what is longer passes."""
_LOOKED_AT = range(_PAYLOAD_AT, _PAYLOAD_AT + _LONGEST, 8)
"""Where four samples in eight are looked at: no key's tone is near zero for as long."""
_LOUDNESS = 0x60606060
_QUIET = {Codec.PCMA: 0x40404040, Codec.PCMU: 0x60606060}
"""What is left of four samples in the two lowest segments (A-law inverts every other bit):
below 512 of 32,768 by A-law, 380 by µ-law. That is 10 dB below the quietest tone, which
has peaks of 2,566, and above the noise of a line on which nobody speaks."""

_INSTRUCTION = struct.Struct("=HBBI")


def attach(
    sock: socket.socket, event_types: Collection[int], loud: Codec | None = None
) -> bool:
    """Pass packets of `event_types` and one other in 64 on `sock`, in place of a filter before.

    With `loud`, pass audio in this codec too, unless it is quieter than any keypad tone;
    what is dropped is then counted (`dropped_before`). Return False, and change nothing,
    where the system has no such filter or refuses it.
    """
    if not sys.platform.startswith("linux"):
        return False
    if loud is not None and not _set(sock, _SO_RXQ_OVFL, struct.pack("@i", 1)):
        return False
    program = _program(sorted(event_types), loud)
    code = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    return _set(sock, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(code)))


def detach(sock: socket.socket) -> bool:
    """Let every packet of `sock` through again; False when there was no filter."""
    if not sys.platform.startswith("linux"):
        return False
    return _set(sock, _SO_DETACH_FILTER, struct.pack("@i", 0))


def dropped_before(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """Return how many packets a socket had dropped before one that it received.

    That is since it was opened, modulo 2**32, by filter or for want of room. `ancillary`
    is of `recvmsg`, at least `DROPS_SIZE` octets; None where it does not say.
    """
    for level, kind, octets in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL:
            return int.from_bytes(octets, sys.byteorder)
    return None


def _program(event_types: list[int], loud: Codec | None) -> bytes:
    after = len(event_types) + 3
    """Instructions from the first comparison to the one that passes the packet."""
    instructions = [
        (_LOAD_BYTE, 0, 0, _PAYLOAD_TYPE_AT),
        (_AND, 0, 0, 0x7F),
        *(
            (_JUMP_IF_EQUAL, after - n - 1, 0, payload_type)
            for n, payload_type in enumerate(event_types)
        ),
        (_LOAD_BYTE, 0, 0, _SEQUENCE_LOW_AT),
        (_AND, 0, 0, ONE_IN - 1),
        (_JUMP_IF_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _PASS),
        *([] if loud is None else _pass_unless_quiet(_QUIET[loud])),
        (_RETURN, 0, 0, _DROP),
    ]
    return b"".join(_INSTRUCTION.pack(*each) for each in instructions)


def _pass_unless_quiet(quiet: int) -> list[tuple[int, int, int, int]]:
    """Return the instructions that go past their end when no sample is loud."""
    instructions = []
    for n, place in enumerate(_LOOKED_AT):
        to_pass = 3 * (len(_LOOKED_AT) - n - 1) + 2
        instructions += [
            # To load from beyond the end of the packet is to drop it: all of it was quiet.
            (_LOAD_WORD, 0, 0, place),
            (_AND, 0, 0, _LOUDNESS),
            (_JUMP_IF_EQUAL, 0, to_pass, quiet),
        ]
    return [
        *instructions,
        (_LOAD_LENGTH, 0, 0, 0),
        (_JUMP_IF_GREATER, 0, 1, _PAYLOAD_AT + _LONGEST),
        (_RETURN, 0, 0, _PASS),
    ]


def _set(sock: socket.socket, option: int, value: bytes) -> bool:
    try:
        sock.setsockopt(socket.SOL_SOCKET, option, value)
    except OSError:
        return False
    return True
