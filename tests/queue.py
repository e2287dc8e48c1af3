"""An in-memory queue in the place of the broker: the same tasks, run one after the other."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import current_app

from registry.core import dispatch


class Queue:
    """Keeps what was asked for, and runs it when told to."""

    def __init__(self, capture: Callable[..., Any]) -> None:
        self.sent: deque[tuple[dispatch.TaskName, tuple]] = deque()
        self._capture = capture

    def put(self, name: dispatch.TaskName, args: tuple, delay_s: float = 0) -> None:
        """Take the place of sending to the broker; nothing is kept waiting here."""
        self.sent.append((name, args))

    def act(self, function: Callable[..., Any], **kwargs: Any) -> Any:
        """Call a service as if its transaction committed; what it asks for is queued."""
        with self._capture(execute=True):
            return function(**kwargs)

    def settle(self) -> None:
        """Run everything that is asked for, and what that asks for, until nothing is left."""
        while self.sent:
            name, args = self.sent.popleft()
            with self._capture(execute=True):
                current_app.tasks[name](*args)


@pytest.fixture
def queue(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
) -> Iterator[Queue]:
    """The queue of a test that does not commit."""
    import workers.tasks  # noqa: F401 - defines the tasks by name

    waiting = Queue(django_capture_on_commit_callbacks)
    monkeypatch.setattr(dispatch, "_send", waiting.put)
    return waiting
