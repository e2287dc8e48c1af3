"""Connect to the address that was checked: one DNS answer, every address in it, no second look."""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address

from registry.core.errors import InvalidInputError
from registry.notify.targets import Address, Target, require_allowed

MOST_ADDRESSES = 4
"""Addresses of one name that are tried (chosen)."""

Resolve = Callable[[str, int], list[str]]


class SendError(Exception):
    """No answer came; ``code`` is public and stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Deadline:
    """The end of one attempt as a whole, however slowly the other side drips."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: there are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for one attempt is over")
        return left


def system_resolver(host: str, port: int) -> list[str]:
    """Return the addresses of a name, in the order of the system's preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def connect(
    target: Target,
    *,
    deadline: Deadline,
    resolve: Resolve,
    allow_private: bool,
    context: ssl.SSLContext | None,
) -> socket.socket:
    """Return a connection to ``target``, over TLS for https; the certificate must name the host.

    Raises:
        SendError: ``dns_failed``, ``target_not_allowed``, ``connect_failed``, ``tls_failed``.
        TimeoutError: the deadline has come.
    """
    addresses = [target.address] if target.address else _resolved(target, resolve, deadline)
    for address in addresses:
        _require_allowed(address, allow_private)
    plain = _first_open(addresses[:MOST_ADDRESSES], target.port, deadline)
    if target.scheme == "http":
        return plain
    return _secured(plain, target, deadline, context or ssl.create_default_context())


def _resolved(target: Target, resolve: Resolve, deadline: Deadline) -> list[Address]:
    """Ask once, in a thread: the system's resolver knows no time limit."""
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(target.host, target.port))
        except (OSError, UnicodeError) as exc:
            answers.put(exc)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.remaining())
    except queue.Empty:
        raise SendError("dns_failed", f"no answer about {target.host} in time") from None
    if isinstance(answer, Exception) or not answer:
        raise SendError("dns_failed", f"{target.host} has no address")
    try:
        return [ip_address(text) for text in answer]
    except ValueError:
        raise SendError("dns_failed", f"{target.host} has an address of no known form") from None


def _require_allowed(address: Address, allow_private: bool) -> None:
    try:
        require_allowed(address, allow_private=allow_private)
    except InvalidInputError as exc:
        raise SendError(exc.code, str(exc)) from None


def _first_open(addresses: list[Address], port: int, deadline: Deadline) -> socket.socket:
    reasons = []
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return open_socket(address, port, deadline.remaining() / left)
        except OSError as exc:
            reasons.append(f"{address}: {exc.strerror or 'no answer in time'}")
    raise SendError("connect_failed", "; ".join(reasons))


def open_socket(address: Address, port: int, timeout_s: float) -> socket.socket:
    """Return a connection to exactly this address; nothing is looked up."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(timeout_s)
        opened.connect((str(address), port))
    except BaseException:
        opened.close()
        raise
    return opened


def _secured(
    plain: socket.socket, target: Target, deadline: Deadline, context: ssl.SSLContext
) -> socket.socket:
    try:
        plain.settimeout(deadline.remaining())
        return context.wrap_socket(plain, server_hostname=target.host)
    except TimeoutError:
        plain.close()
        raise
    except (ssl.SSLError, OSError) as exc:
        plain.close()
        reason = getattr(exc, "verify_message", "") or getattr(exc, "reason", "") or exc.strerror
        raise SendError("tls_failed", f"no TLS with {target.host}: {reason}") from None
