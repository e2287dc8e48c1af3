"""Connections between processes: used again, opened again where the other end was gone."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR

import pytest

from registry.galleries.kept_connections import KeptConnections


class Server:
    """Keeps connections; counts them and the requests; cuts or delays the next ones if told."""

    def __init__(self, port: int = 0) -> None:
        self.connections: list = []
        self.requests, self.to_cut = 0, 0
        self.together: threading.Barrier | None = None
        self.answers = threading.Event()
        self.answers.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                outer.connections.append(self.connection)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests += 1
                outer.answers.wait(30)
                if outer.together is not None:
                    outer.together.wait(30)
                if outer.to_cut:
                    outer.to_cut -= 1
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def port(self) -> int:
        return self.server.server_port

    def close(self) -> None:
        self.answers.set()
        self.server.shutdown()
        self.thread.join()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as running:
        yield running


@pytest.fixture
def kept(server) -> Iterator[KeptConnections]:
    connections = KeptConnections(f"http://127.0.0.1:{server.port}", most=2)
    yield connections
    connections._forget()


def post(kept: KeptConnections, body: bytes = b"{}", timeout_s: float = 30) -> bytes:
    reply = kept.post("galleries/faces/search", body, {}, timeout_s)
    assert reply.status == 200
    return reply.body


def test_requests_in_turn_use_one_connection(server, kept):
    answers = [post(kept, bytes([letter])) for letter in b"abcde"]

    assert answers == [b"a", b"b", b"c", b"d", b"e"]
    assert (len(server.connections), server.requests) == (1, 5)


def test_requests_at_once_wait_for_no_connection_and_two_are_kept(server, kept):
    server.together = threading.Barrier(3)
    threads = [threading.Thread(target=post, args=(kept,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.together = None

    assert len(server.connections) == 3
    assert len(kept._free) == 2
    post(kept)
    assert len(server.connections) == 3


def test_a_server_that_was_started_again_is_asked_over_a_new_connection(server, kept):
    post(kept)
    server.close()

    with closing(Server(server.port)) as again:
        assert post(kept, b"x") == b"x"
        assert (again.requests, server.requests) == (1, 1)


def test_a_kept_connection_that_is_cut_is_replaced_once(server, kept):
    post(kept)
    server.to_cut = 1

    assert post(kept, b"x") == b"x"
    assert (len(server.connections), server.requests) == (2, 3)

    server.to_cut = 2
    with pytest.raises(ConnectionError):
        post(kept)
    assert (len(server.connections), server.requests) == (3, 5)


def test_a_new_connection_that_is_cut_is_not_replaced(server, kept):
    server.to_cut = 1

    with pytest.raises(ConnectionError):
        post(kept)
    assert server.requests == 1


def test_a_request_that_took_too_long_is_not_sent_again_and_its_answer_never_read(server, kept):
    post(kept)
    server.answers.clear()
    with pytest.raises(TimeoutError):
        post(kept, b"late", timeout_s=0.05)
    server.answers.set()

    assert post(kept, b"next") == b"next"
    assert server.requests == 3


def test_a_forked_child_leaves_the_connections_to_its_parent(server, kept):
    post(kept)
    child = os.fork()
    if not child:
        os._exit(len(kept._free))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    post(kept)
    assert len(server.connections) == 1


def test_an_address_may_have_a_path(server):
    connections = KeptConnections(f"http://127.0.0.1:{server.port}/beyond/")
    assert connections._prefix == "/beyond"
    post(connections)
    connections._forget()
