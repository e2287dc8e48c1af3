"""A client of the API that carries a token."""

import json
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
