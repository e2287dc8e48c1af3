"""A client of the API that carries a token."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from registry.accounts.models import Scope
from tests.builders import registry as make

ROOT = "/api/v1"


class Api:
    """Sends requests with a token of the given scopes; without scopes, without a token."""

    def __init__(self, *scopes: str, owner: User | None = None) -> None:
        self.owner = owner or make.a_user()
        self._client = Client()
        self.headers: dict[str, str] = {}
        if scopes:
            self.use(make.a_token(self.owner, scopes=scopes)[1])

    def use(self, secret: str) -> None:
        """Send this secret from now on."""
        self.headers["Authorization"] = f"Bearer {secret}"

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Any:
        """Read."""
        return self._client.get(f"{ROOT}/{path}", query, headers=self._all(headers))

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """Send a body as JSON, or as it is where it is text already."""
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return self._client.generic(
            method,
            f"{ROOT}/{path}",
            "" if body is None else data,
            content_type=content_type,
            headers=self._all(headers),
        )

    def post(self, path: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
        """Ask for an act."""
        return self.send("POST", path, body, headers)

    def upload(
        self,
        path: str,
        content: bytes | None = None,
        *,
        file_name: str = "file.bin",
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> Any:
        """Send a file with fields; what is not text is sent as JSON."""
        plain = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
        if content is not None:
            plain["file"] = SimpleUploadedFile(file_name, content)
        return self._client.post(f"{ROOT}/{path}", plain, headers=self._all(headers))

    def _all(self, headers: dict[str, str] | None) -> dict[str, str]:
        return self.headers | (headers or {})


@pytest.fixture
def api(db: None) -> Api:
    """A client that may do everything."""
    return Api(*Scope.values)


def refusal(response: Any) -> tuple[int, str]:
    """Return status and code of a refusal, after checking its form."""
    body = response.json()
    assert set(body) == {"code", "detail"}, body
    assert body["detail"]
    return response.status_code, body["code"]


class StandIn:
    """A server that notes one request and answers as it is told."""

    def __init__(self) -> None:
        self.status, self.answer = 200, b"{}"
        self.path, self.secret, self.body = "", "", b""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.path = self.path
                outer.secret = self.headers["Authorization"]
                outer.body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.answer)))
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def process(settings) -> Iterator[StandIn]:
    """Stand in for the search process."""
    with closing(StandIn()) as running:
        settings.SEARCH_URL, settings.SEARCH_SECRET = running.url, "shared"
        yield running
