"""The callers' media ports: bound, so that no ICMP error comes back, and never read."""

import contextlib
import resource
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def media_sink(first: int, count: int) -> Iterator[None]:
    """Bind `count` even UDP ports after `first`, which SIPp binds itself."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as held:
        for port in range(first + 4, first + 4 + 2 * count, 2):
            sink = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            with contextlib.suppress(OSError):  # a port that a SIPp has bound itself
                sink.bind(("127.0.0.1", port))
        yield
