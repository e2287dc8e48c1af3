"""The client in the test process: against the live server, and against a server with a script."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.builders import registry as make
from tests.processes import ROOT

sys.path.insert(0, str(ROOT / "client"))

from graceful import Client  # noqa: E402 - found in the folder of the client's distribution
from graceful.commands import app  # noqa: E402
from typer.testing import CliRunner  # noqa: E402


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A configuration folder of the test's own, and no way in by the environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("GRACEFUL_URL", raising=False)
    monkeypatch.delenv("GRACEFUL_TOKEN", raising=False)
    return tmp_path / "config" / "graceful"


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run the command line in this process; the result has exit_code, stdout and stderr."""

    def run(*arguments: object, **options: Any) -> Any:
        result = CliRunner().invoke(app, [str(word) for word in arguments], **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def owner(live_server):
    """The person whose token opens the live server."""
    return make.a_user("ann", is_staff=True)


@pytest.fixture
def secret(owner) -> str:
    """A token that may do everything."""
    return make.a_token(owner)[1]


@pytest.fixture
def registry(live_server, secret, monkeypatch) -> Iterator[Client]:
    """A client of the live server; commands find it by the environment."""
    monkeypatch.setenv("GRACEFUL_URL", live_server.url)
    monkeypatch.setenv("GRACEFUL_TOKEN", secret)
    with Client(live_server.url, secret) as client:
        yield client


@pytest.fixture
def alias(registry) -> Any:
    """``digits@production``, which names no version yet."""
    return make.an_alias(make.a_model("digits"))


@pytest.fixture
def twice_moved(registry) -> Any:
    """``faces@production`` went from 1 to 2, and nothing says that 1 understands items of 2."""
    alias = make.an_alias(make.a_model("faces", task="embedding"))
    make.a_promoted_upgrade(alias)
    gallery = make.a_gallery(alias, name="people", items=3)
    make.a_promoted_upgrade(alias)
    make.an_insert(gallery, ["late-1", "late-2"])
    alias.gate.pins.all().delete()
    return alias


@dataclass
class Scripted:
    """A server that answers as a list says: (status, body), or None to hang up."""

    url: str
    answers: list[Any] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A real server on loopback with a script; beyond its end it answers an empty page."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            script.requests.append((self.command, self.path, dict(self.headers), body))
            given = script.answers.pop(0) if script.answers else (200, EMPTY_PAGE)
            if given is None:
                self.close_connection = True
                return
            status, document, *headers = given
            sent = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PATCH = do_PUT = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script = Scripted(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


EMPTY_PAGE = {"results": [], "next_page_token": None}
