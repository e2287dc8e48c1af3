"""A webhook receiver on loopback that does as it is told and remembers what came."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[BaseHTTPRequestHandler], None]


def answers(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer with a status and a body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def says(raw: bytes) -> Answer:
    """Put these bytes on the wire, whatever they are."""
    return lambda handler: handler.wfile.write(raw)


@dataclass
class Receiver:
    """What it got, and what it answers: ``script`` one by one, then ``otherwise``."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    script: list[Answer] = field(default_factory=list)
    otherwise: Answer = field(default_factory=lambda: answers(204))
    released: threading.Event = field(default_factory=threading.Event)
    connections: int = 0

    def url(self, path: str = "/hook", scheme: str = "http") -> str:
        """Return an address of it."""
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def hangs(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer nothing until the test is over."""
        self.released.wait(60)

    def drips(self, handler: BaseHTTPRequestHandler) -> None:
        """Send a header byte by byte, each soon enough for a limit on single reads."""
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 600:
            if self.released.wait(0.1):
                return
            handler.wfile.write(bytes([byte]))

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        """Remember a request and answer it."""
        length = int(handler.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.received.append(Received(handler.path, headers, handler.rfile.read(length)))
        (self.script.pop(0) if self.script else self.otherwise)(handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, receiver: Receiver, context: ssl.SSLContext | None) -> None:
        self.receiver, self.context = receiver, context
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.receiver.connections += 1
        if self.context is not None:
            connection = self.context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what several tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self.close_connection = True
        self.server.receiver.take(self)

    do_GET = do_POST

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Run a receiver in a thread, over TLS where a context is given."""
    receiver = Receiver()
    server = _Server(receiver, context)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
