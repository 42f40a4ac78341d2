"""A packet filter in the kernel: audio that nobody listens to never wakes Python.

A classic BPF program on the socket (SO_ATTACH_FILTER, Linux) sees the datagram from its
UDP header on: octet 9 is the marker and payload type, octet 11 the low byte of the
sequence number. It passes keypad events, and one packet in 64 as a sign of life.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Collection

_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27

_LOAD_BYTE = 0x30
_AND = 0x54
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06

_PAYLOAD_TYPE_AT = 9
_SEQUENCE_LOW_AT = 11
ONE_IN = 64
"""Of other packets, those pass whose sequence number is a multiple of it."""
_PASS = 0xFFFFFFFF
_DROP = 0

_INSTRUCTION = struct.Struct("=HBBI")


def attach(sock: socket.socket, event_types: Collection[int]) -> bool:
    """Pass packets of `event_types` and one other in 64 on `sock`, in place of a filter before.

    Return False, and change nothing, where the system has no such filter or refuses it.
    """
    if not sys.platform.startswith("linux"):
        return False
    program = _program(sorted(event_types))
    code = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    return _set(sock, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(code)))


def detach(sock: socket.socket) -> bool:
    """Let every packet of `sock` through again; False when there was no filter."""
    if not sys.platform.startswith("linux"):
        return False
    return _set(sock, _SO_DETACH_FILTER, struct.pack("@i", 0))


def _program(event_types: list[int]) -> bytes:
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
        (_RETURN, 0, 0, _DROP),
    ]
    return b"".join(_INSTRUCTION.pack(*each) for each in instructions)


def _set(sock: socket.socket, option: int, value: bytes) -> bool:
    try:
        sock.setsockopt(socket.SOL_SOCKET, option, value)
    except OSError:
        return False
    return True
