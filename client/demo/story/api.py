"""The few calls of the API that the demo makes."""

import json
import time
from pathlib import Path
from typing import Any

import httpx

POLL_S = 0.5
PATIENCE_S = 900.0


class ApiError(Exception):
    """The registry refused a call."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class StillWaitingError(Exception):
    """Something did not come to its end in time."""


class Api:
    """One account's way into the registry."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read."""
        return self._answer(self._http.get(path, params=query))

    def text(self, path: str) -> str:
        """Read what is not JSON."""
        response = self._http.get(path)
        response.raise_for_status()
        return response.text

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Ask for an act."""
        return self._answer(self._http.post(path, json=body))

    def put(self, path: str, **body: Any) -> dict[str, Any]:
        """Set."""
        return self._answer(self._http.put(path, json=body))

    def upload(self, path: str, file: Path, **fields: Any) -> dict[str, Any]:
        """Send a file with form fields; what is not text is sent as JSON."""
        plain = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
        with file.open("rb") as stream:
            return self._answer(
                self._http.post(path, data=plain, files={"file": (file.name, stream)})
            )

    def wait(self, path: str, done: Any) -> dict[str, Any]:
        """Read until ``done(answer)``.

        Raises:
            StillWaitingError: it was not done in time.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            answer = self.get(path)
            if done(answer):
                return answer
            time.sleep(POLL_S)
        raise StillWaitingError(f"{path} did not come to its end within {PATIENCE_S:.0f} s")

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        body = response.json() if response.content else {}
        if response.is_error:
            code = body.get("code", "") if isinstance(body, dict) else ""
            detail = body.get("detail", "") if isinstance(body, dict) else ""
            raise ApiError(response.status_code, code, str(detail))
        return body
