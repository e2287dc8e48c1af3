"""How every call is made: under which key, how often it is read again, where its bytes go."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from graceful.errors import TimedOutError
from graceful.transport import Transport

Answer = TypeVar("Answer")

FIRST_POLL_S, LONGEST_POLL_S = 0.5, 5.0
"""A short evaluation is noticed at once, a long one asked about twelve times a minute (chosen)."""


class Caller:
    """What calls of every noun share."""

    transport: Transport

    def wait(
        self,
        read: Callable[[], Answer],
        done: Callable[[Answer], bool],
        *,
        timeout_s: float,
        what: str,
        watch: Callable[[Answer], None] = lambda _: None,
    ) -> Answer:
        """Read until it is done, more and more seldom.

        Args:
            what: is awaited, in words.
            watch: called with each answer that was read.

        Raises:
            TimedOutError: it was not done in time.
        """
        deadline, pause = time.monotonic() + timeout_s, FIRST_POLL_S
        while True:
            found = read()
            watch(found)
            if done(found):
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimedOutError(f"{what} did not come within {timeout_s:g} s")
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_POLL_S)

    def _create(self, path: str, **body: Any) -> Any:
        """Send a creating call under a key of its own, so that a lost answer does no harm."""
        return self.transport.post(path, body, key=uuid.uuid4().hex)

    def _create_once(self, path: str, body: Mapping[str, Any], *, upload: str = "") -> Any:
        """Send a creating call under a key that the same content always has."""
        said = json.dumps([path, body], sort_keys=True).encode()
        key = f"push-{hashlib.sha256(said).hexdigest()}"
        return self.transport.post(path, {**body, "upload": upload}, key=key)

    def _download(self, path: str, target: Path) -> None:
        partial = target.with_name(f"{target.name}.part")
        try:
            with partial.open("wb") as file:
                for chunk in self.transport.download(path):
                    file.write(chunk)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
