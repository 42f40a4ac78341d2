"""Media ports that are bound, so that no ICMP error comes back, and never read."""

import contextlib
import resource
import socket
from collections.abc import Iterator

HOST = "127.0.0.1"
BUFFER = 2048
"""Octets: so little that the kernel drops all but the first packets at once."""


def allow_many_sockets() -> None:
    """Let this process open as many as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def media_sink(first: int, count: int, step: int = 2) -> Iterator[None]:
    """Bind `count` UDP ports from `first` on, each `step` above the one before."""
    allow_many_sockets()
    with contextlib.ExitStack() as held:
        for port in range(first, first + step * count, step):
            sink = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            with contextlib.suppress(OSError):  # a port that a SIPp has bound itself
                sink.bind((HOST, port))
        yield
