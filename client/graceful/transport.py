"""HTTP with the registry: what is asked, asked again where that is safe, and what is refused."""

import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from graceful.access import Access
from graceful.errors import RefusedError, UnreachableError
from graceful.version import VERSION

ATTEMPTS = 6
FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 8.0
"""Together about eight seconds of patience: a restart of the web process (chosen)."""

TRY_AGAIN = frozenset({429, 502, 503, 504})


class Transport:
    """One account's way to one registry."""

    def __init__(
        self,
        access: Access,
        *,
        timeout_s: float = 60,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.access = access
        self._attempts = attempts
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=f"{access.url}/api/v1/",
            headers={
                "Authorization": f"Bearer {access.token}",
                "User-Agent": f"graceful/{VERSION}",
            },
            timeout=timeout_s,
            verify=_trusted(access.url),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Read; repeated while the registry does not answer."""
        return self.json("GET", path, params=_present(query), again=True)

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Yield the rows of a list, page by page."""
        token: str | None = None
        while True:
            answer = self.get(path, page_token=token, page_size=200, **query)
            yield from answer["results"]
            token = answer["next_page_token"]
            if token is None:
                return

    def post(self, path: str, body: Mapping[str, Any], *, key: str = "") -> Any:
        """Ask for an act; repeated only under an idempotency key, so that it is done once."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.json("POST", path, json=body, headers=headers, again=bool(key))

    def post_form(self, path: str, fields: Mapping[str, str], *, key: str) -> Any:
        """Ask for an act whose fields go as ``multipart/form-data``, repeated under its key."""
        parts = {name: (None, value) for name, value in fields.items()}
        headers = {"Idempotency-Key": key}
        return self.json("POST", path, files=parts, headers=headers, again=True)

    def json(self, method: str, path: str, *, again: bool = False, **request: Any) -> Any:
        """Return the answer's document."""
        response = self.ask(method, path, again=again, **request)
        try:
            return response.json()
        except ValueError:
            raise UnreachableError(
                f"what answers at {self.access.url} is no registry", code="not_a_registry"
            ) from None

    def ask(self, method: str, path: str, *, again: bool = False, **request: Any) -> httpx.Response:
        """Send a request, several times where ``again`` says that repeating does no harm.

        Raises:
            UnreachableError: nothing answered.
            RefusedError: the registry refused.
        """
        attempts = self._attempts if again else 1
        for attempt in range(1, attempts + 1):
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError as exc:
                if attempt == attempts:
                    raise _unreachable(self.access.url, exc) from exc
                self._sleep(delay_s(attempt))
                continue
            except (httpx.InvalidURL, httpx.DecodingError) as exc:
                raise _unreachable(self.access.url, exc) from exc
            if response.is_success:
                return response
            if response.status_code not in TRY_AGAIN or attempt == attempts:
                raise _refused(response, self.access.url)
            self._sleep(_asked_for(response) or delay_s(attempt))
        raise AssertionError("a request has at least one attempt")

    def download(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of an answer as they come."""
        try:
            with self._http.stream("GET", path) as response:
                if not response.is_success:
                    response.read()
                    raise _refused(response, self.access.url)
                yield from response.iter_bytes()
        except httpx.TransportError as exc:
            raise _unreachable(self.access.url, exc) from exc

    def wait(self, attempt: int) -> None:
        """Pause before the next attempt of something."""
        self._sleep(delay_s(attempt))


def delay_s(attempt: int) -> float:
    """Return how long to wait after an attempt: doubled each time, and a little random."""
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (attempt - 1))
    return longest * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, hides nothing


def _trusted(url: str) -> ssl.SSLContext | bool:
    """Return whose certificates are believed: where none will be shown, nobody's.

    To read those of every authority takes 40 ms, half of a short command.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http://") else True


def _present(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None and value != ""}


def _asked_for(response: httpx.Response) -> float:
    given = response.headers.get("Retry-After", "")
    return min(float(given), LONGEST_DELAY_S) if given.isascii() and given.isdigit() else 0.0


def _unreachable(url: str, exc: Exception) -> UnreachableError:
    return UnreachableError(f"{url} does not answer: {exc or type(exc).__name__}")


def _refused(response: httpx.Response, url: str) -> RefusedError | UnreachableError:
    if response.is_redirect:
        target = response.headers.get("Location", "elsewhere")
        return UnreachableError(f"{url} points to {target}", code="redirected")
    try:
        body = response.json()
        return RefusedError(response.status_code, str(body["code"]), str(body["detail"]))
    except (ValueError, KeyError, TypeError):
        detail = f"{url} answered {response.status_code} without a reason"
        return RefusedError(response.status_code, f"http_{response.status_code}", detail)
