"""Connections to one other process of the installation, kept from request to request."""

import http.client
import os
import select
import threading
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """What came back, read whole."""

    status: int
    body: bytes


class KeptConnections:
    """Connections to one address; as many as there were requests at once, never more than a few.

    A request waits for none: where none is free, one is opened.
    """

    def __init__(self, address: str, *, most: int = 16) -> None:
        self._address, self._prefix = urlsplit(address), urlsplit(address).path.rstrip("/")
        self._most = most
        self._free: deque[http.client.HTTPConnection] = deque()
        self._guard = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def post(self, path: str, body: bytes, headers: dict[str, str], timeout_s: float) -> Reply:
        """Send one request that changes nothing there, and return the reply.

        It is sent again, once and over a new connection, where a kept one turns out to be lost:
        the process at the other end has been started again.

        Raises:
            OSError: no connection, or no reply in time.
            http.client.HTTPException: what came back is no HTTP.
        """
        kept = self._taken()
        if kept is not None:
            try:
                return self._posted(kept, path, body, headers, timeout_s)
            except ConnectionError:
                pass  # it may be closed between the look and the request
        return self._posted(self._opened(), path, body, headers, timeout_s)

    def _posted(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        body: bytes,
        headers: dict[str, str],
        timeout_s: float,
    ) -> Reply:
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        try:
            connection.request("POST", f"{self._prefix}/{path}", body, headers)
            response = connection.getresponse()
            reply = Reply(response.status, response.read())
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        return reply

    def _opened(self) -> http.client.HTTPConnection:
        is_secure = self._address.scheme == "https"
        kind = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
        return kind(self._address.hostname or "", self._address.port)

    def _taken(self) -> http.client.HTTPConnection | None:
        """Return the connection that was used last; those that were closed meanwhile are let go."""
        while True:
            with self._guard:
                connection = self._free.pop() if self._free else None
            if connection is None or not _has_news(connection):
                return connection
            connection.close()

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        if connection.sock is None:  # the other end keeps none
            return
        with self._guard:
            is_kept = len(self._free) < self._most
            if is_kept:
                self._free.append(connection)
        if not is_kept:
            connection.close()

    def _forget(self) -> None:
        """Leave the connections to the parent, in a child that was forked."""
        self._guard = threading.Lock()
        for connection in self._free:
            connection.close()
        self._free.clear()


def _has_news(connection: http.client.HTTPConnection) -> bool:
    """Whether something came unasked, which is its end."""
    waiting = select.poll()
    waiting.register(connection.sock, select.POLLIN)
    return bool(waiting.poll(0))
