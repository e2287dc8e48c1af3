"""Length-prefixed messages over pipes, between a resident child and its owner.

A message is a JSON header and a body of raw numbers: ``length of header, header, length of body,
body``; lengths are four bytes, little-endian.
"""

import json
import os
import select
import struct
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

LENGTH = struct.Struct("<I")
MAX_BYTES = 64 * 2**20
"""A header or body, at most: a thousand images of 128 x 128 x 3."""

CHUNK_BYTES = 2**16


class DeadlineError(Exception):
    """The other side took too long."""


class ClosedError(Exception):
    """The other side is gone, or does not keep to the form."""


def packed(header: dict[str, Any], body: bytes = b"") -> bytes:
    """Return one message as bytes."""
    text = json.dumps(header, allow_nan=False).encode()
    return b"".join((LENGTH.pack(len(text)), text, LENGTH.pack(len(body)), body))


def send(descriptor: int, message: bytes, *, deadline: float) -> None:
    """Write ``message`` to a non-blocking pipe.

    Raises:
        ClosedError, DeadlineError
    """
    left = memoryview(message)
    while left:
        _wait(descriptor, select.POLLOUT, deadline)
        try:
            left = left[os.write(descriptor, left[:CHUNK_BYTES]) :]
        except BlockingIOError:
            continue
        except BrokenPipeError:
            raise ClosedError("the pipe is closed") from None


def receive(descriptor: int, *, deadline: float | None) -> tuple[dict[str, Any], bytes]:
    """Read one message; without a deadline, wait for ever.

    Raises:
        ClosedError, DeadlineError
    """
    try:
        header = json.loads(_part(descriptor, deadline))
    except ValueError as exc:
        raise ClosedError(f"the header cannot be read: {exc}") from None
    if not isinstance(header, dict):
        raise ClosedError("the header is not an object")
    return header, _part(descriptor, deadline)


def array_of(header: dict[str, Any], body: bytes) -> NDArray[np.generic]:
    """Return the array that a message carries.

    Raises:
        ClosedError: the body is not what the header says.
    """
    try:
        return np.frombuffer(body, dtype=np.dtype(header["dtype"])).reshape(header["shape"])
    except (KeyError, TypeError, ValueError) as exc:
        raise ClosedError(f"the body cannot be read: {exc}") from None


def header_of(array: NDArray[np.generic]) -> dict[str, Any]:
    """Return the header of the message that carries ``array``."""
    return {"dtype": str(array.dtype), "shape": list(array.shape)}


def _part(descriptor: int, deadline: float | None) -> bytes:
    (length,) = LENGTH.unpack(_exactly(descriptor, LENGTH.size, deadline))
    if length > MAX_BYTES:
        raise ClosedError(f"a part of {length} bytes is announced")
    return _exactly(descriptor, length, deadline)


def _exactly(descriptor: int, count: int, deadline: float | None) -> bytes:
    taken = bytearray()
    while len(taken) < count:
        _wait(descriptor, select.POLLIN, deadline)
        try:
            data = os.read(descriptor, min(CHUNK_BYTES, count - len(taken)))
        except BlockingIOError:
            continue
        if not data:
            raise ClosedError("the pipe is closed")
        taken += data
    return bytes(taken)


def _wait(descriptor: int, event: int, deadline: float | None) -> None:
    """Wait until the pipe is ready; ``poll`` and not ``select``: servers have many files."""
    poll = select.poll()
    poll.register(descriptor, event)
    left_ms = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
    if not poll.poll(left_ms):
        raise DeadlineError("no answer in time")
