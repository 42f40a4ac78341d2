"""A packet filter in the kernel: audio that nobody listens to never wakes Python.

A classic BPF program on the socket (SO_ATTACH_FILTER, Linux) sees the datagram from its
UDP header on: octet 9 is the marker and payload type, octet 11 the low byte of the
sequence number, and G.711 follows from octet 20. It passes keypad events, one packet in
64 as a sign of life, and, where tones are listened for, audio that is loud enough to be
one.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Collection
from typing import NamedTuple

from ivr.media.g711 import FRAME, Codec

_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27

_LOAD_BYTE = 0x30
_LOAD_LENGTH = 0x80
_AND = 0x54
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06

_PAYLOAD_TYPE_AT = 9
_SEQUENCE_LOW_AT = 11
_PAYLOAD_AT = 20
_ONE_IN = 64
_PASS = 0xFFFFFFFF
_DROP = 0

_LOUDNESS = 0x60
_QUIET = {Codec.PCMA: 0x40, Codec.PCMU: 0x60}
"""These bits of a code word are so in the two lowest segments (A-law inverts every other
bit): below 512 of 32,768 by A-law, 380 by µ-law. The quietest tone has peaks of 2,566,
while a line on which nobody speaks stays below."""
_SAMPLED = tuple(5 * n + (0, 3, 1, 4, 2)[n % 5] for n in range(FRAME // 5))
"""Places in a packet that are looked at; in uneven steps, for no tone to hide between."""

_INSTRUCTION = struct.Struct("=HBBI")


class _Step(NamedTuple):
    """An instruction; a comparison passes the packet, or goes on, as it turns out."""

    code: int
    operand: int
    passes_if: bool | None = None


def attach(
    sock: socket.socket, event_types: Collection[int], loud: Codec | None = None
) -> bool:
    """Pass packets of `event_types` and one other in 64 on `sock`, in place of a filter before.

    With `loud`, pass audio in this codec too, unless it is quieter than any keypad tone;
    of packets that are not of 20 ms, all. Return False, and change nothing, where the
    system has no such filter or refuses it.
    """
    if not sys.platform.startswith("linux"):
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


def _program(event_types: list[int], loud: Codec | None) -> bytes:
    steps = [_Step(_LOAD_BYTE, _PAYLOAD_TYPE_AT), _Step(_AND, 0x7F)]
    steps += [_Step(_JUMP_IF_EQUAL, each, passes_if=True) for each in event_types]
    if loud is not None:
        steps += _unless_quiet(_QUIET[loud])
    steps += [
        _Step(_LOAD_BYTE, _SEQUENCE_LOW_AT),
        _Step(_AND, _ONE_IN - 1),
        _Step(_JUMP_IF_EQUAL, 0, passes_if=True),
        _Step(_RETURN, _DROP),
    ]
    instructions = []
    for at, step in enumerate(steps):
        to_pass = len(steps) - at - 1
        if_true = to_pass if step.passes_if else 0
        if_false = to_pass if step.passes_if is False else 0
        instructions.append(_INSTRUCTION.pack(step.code, if_true, if_false, step.operand))
    return b"".join([*instructions, _INSTRUCTION.pack(_RETURN, 0, 0, _PASS)])


def _unless_quiet(quiet: int) -> list[_Step]:
    """Return the steps that pass audio in which a sample is loud, or cannot be looked at."""
    steps = [
        _Step(_LOAD_LENGTH, 0),
        _Step(_JUMP_IF_EQUAL, _PAYLOAD_AT + FRAME, passes_if=False),
    ]
    for place in _SAMPLED:
        steps += [
            _Step(_LOAD_BYTE, _PAYLOAD_AT + place),
            _Step(_AND, _LOUDNESS),
            _Step(_JUMP_IF_EQUAL, quiet, passes_if=False),
        ]
    return steps


def _set(sock: socket.socket, option: int, value: bytes) -> bool:
    try:
        sock.setsockopt(socket.SOL_SOCKET, option, value)
    except OSError:
        return False
    return True
