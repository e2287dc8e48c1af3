"""Send one signed message and say what happened; nothing here raises, retries or follows."""

import io
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse

from registry.core.errors import InvalidInputError
from registry.notify.targets import Target, parse_target
from workers.delivery.connect import Deadline, Resolve, SendError, connect, system_resolver
from workers.delivery.signature import signature_header

EXCERPT_BYTES = 500
"""What is read of an answer's body; the rest is never taken off the wire."""

USER_AGENT = "GracefulRegistry-Webhook/1"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Message:
    """What is sent; ``secrets`` are those that are live, the newest first."""

    url: str
    id: str
    body: bytes
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Attempt:
    """How one attempt went; without a code the receiver has the message."""

    code: str
    detail: str
    status: int | None
    excerpt: str
    duration_ms: int


@dataclass(frozen=True)
class _Answer:
    status: int
    excerpt: str


def send(
    message: Message,
    *,
    allow_private: bool,
    time_limit_s: float,
    resolve: Resolve = system_resolver,
    context: ssl.SSLContext | None = None,
    clock: Callable[[], float] = time.time,
) -> Attempt:
    """Post the message once; a redirect is an answer like any other and is not followed.

    Args:
        allow_private: whether http, private and loopback targets are allowed.
        time_limit_s: for the attempt as a whole: name, connection, TLS, request, answer.
        clock: gives the timestamp that is signed; receivers refuse one that is minutes off.
    """
    begun = time.monotonic()
    try:
        target = parse_target(message.url, allow_private=allow_private)
        deadline = Deadline(time_limit_s)
        with connect(
            target,
            deadline=deadline,
            resolve=resolve,
            allow_private=allow_private,
            context=context,
        ) as connection:
            answer = _exchange(connection, _request(target, message, int(clock())), deadline)
        code, detail = _meaning(answer.status)
    except (SendError, InvalidInputError) as exc:
        answer, code, detail = None, exc.code, str(exc)
    except TimeoutError:
        answer, code, detail = None, "timed_out", f"no answer within {time_limit_s:g} s"
    except (OSError, HTTPException):
        answer, code, detail = None, "no_answer", "the connection ended without an HTTP answer"
    return Attempt(
        code,
        detail,
        answer.status if answer else None,
        answer.excerpt if answer else "",
        int((time.monotonic() - begun) * 1000),
    )


def _request(target: Target, message: Message, timestamp: int) -> bytes:
    signature = signature_header(
        message.secrets, message_id=message.id, timestamp=timestamp, body=message.body
    )
    head = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        f"User-Agent: {USER_AGENT}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(message.body)}",
        f"webhook-id: {message.id}",
        f"webhook-timestamp: {timestamp}",
        f"webhook-signature: {signature}",
    ]
    return "\r\n".join([*head, "", ""]).encode("ascii") + message.body


def _exchange(connection: socket.socket, request: bytes, deadline: Deadline) -> _Answer:
    unsent = memoryview(request)
    while unsent:
        connection.settimeout(deadline.remaining())
        unsent = unsent[connection.send(unsent) :]
    with HTTPResponse(_Incoming(connection, deadline), method="POST") as response:
        response.begin()
        return _Answer(response.status, _excerpt(response))


def _excerpt(response: HTTPResponse) -> str:
    """Return the beginning of the body as text; the status stands also where it breaks off."""
    try:
        content = response.read(EXCERPT_BYTES)
    except (OSError, HTTPException, ValueError):
        return ""
    return _CONTROL.sub("", content.decode(errors="replace"))


def _meaning(status: int) -> tuple[str, str]:
    if 200 <= status < 300:
        return "", ""
    if status == 410:
        return "gone", "the receiver answered 410: it wants no more"
    if 300 <= status < 400:
        return "redirected", f"the receiver answered {status}; redirects are not followed"
    return "refused_status", f"the receiver answered {status}"


class _Incoming(io.RawIOBase):
    """What comes from a socket, with the deadline before every read; ``HTTPResponse`` reads it."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection, self._deadline = connection, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        self._connection.settimeout(self._deadline.remaining())
        return self._connection.recv_into(buffer)
