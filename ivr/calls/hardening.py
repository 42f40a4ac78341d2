"""Keeping the process that sees digits from leaving them on a disk."""

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h


class UnsafeEnvironmentError(Exception):
    """The environment would write card data somewhere; the message names the variable."""


def harden() -> None:
    """Switch core dumps and debuggers' access off; refuse an environment that logs cards.

    Raise `UnsafeEnvironmentError`.
    """
    if os.environ.get("STRIPE_LOG"):
        raise UnsafeEnvironmentError("STRIPE_LOG is set: Stripe's library would log cards")
    if os.environ.get("PYTHONASYNCIODEBUG"):
        raise UnsafeEnvironmentError("PYTHONASYNCIODEBUG is set: asyncio would log arguments")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
