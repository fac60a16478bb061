"""Messages between the driver and a worker: eight bytes of length, then one pickle.

`multiprocessing.connection` does the same for three times the start-up time of a worker.
"""

from __future__ import annotations

import os
import pickle
import struct
from typing import Any

_LENGTH = struct.Struct("<Q")


def pack(value: Any) -> bytes:
    """The pickle of `value` (protocol 5)."""
    return pickle.dumps(value, protocol=5)


def unpack(body: bytes | bytearray) -> Any:
    """The value of a pickle that this run's own driver or worker made a moment ago; never of a file."""
    return pickle.loads(body)  # noqa: S301


def send(fd: int, value: Any) -> None:
    """Write one message to `fd`. OSError when the other side is gone."""
    body = pack(value)
    left = memoryview(_LENGTH.pack(len(body)) + body)
    while left:
        left = left[os.write(fd, left) :]


def receive(fd: int) -> Any:
    """Read one message from `fd`, waiting for it. EOFError or OSError when the other side is gone."""
    (size,) = _LENGTH.unpack(_exactly(fd, _LENGTH.size))
    return unpack(_exactly(fd, size))


def _exactly(fd: int, size: int) -> bytearray:
    body = bytearray(size)
    left = memoryview(body)
    while left:
        got = os.readv(fd, [left])
        if got == 0:
            raise EOFError
        left = left[got:]
    return body
