"""A message broker in a folder, for an installation on one machine without Redis.

It is kombu's filesystem transport without its losses. A message gets its final name only when it
is whole, so no consumer reads half of one; a consumer takes a message by renaming it, which only
one can do; and the table of bindings is replaced, never rewritten in place. A message that was
taken is gone even if its consumer dies: the database row is the job, and the sweeper asks again.
"""

import fcntl
import os
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any, ClassVar

import kombu.transport
from django.conf import settings
from kombu.transport import filesystem, virtual
from kombu.utils.json import dumps, loads
from kombu.utils.objects import cached_property

SCHEME = "registry-files"
"""Broker URLs are ``registry-files:///folder``; without a folder, ``broker`` in the data folder."""


def register() -> None:
    """Make the scheme known to kombu; call it before the first connection."""
    kombu.transport.TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


def _write_whole(path: Path, content: str) -> None:
    draft = path.with_name(f".{uuid.uuid4().hex}")
    draft.write_text(content)
    os.replace(draft, path)


class Channel(filesystem.Channel):
    """One connection's view of the folder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listed: dict[str, deque[str]] = {}

    @cached_property
    def folder(self) -> Path:
        """The folder that the URL names, with its parts made."""
        named = self.connection.client.virtual_host
        folder = Path("/") / named if named != "/" else settings.REGISTRY_DATA_DIR / "broker"
        for part in ("messages", "control"):
            (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @cached_property
    def data_folder_in(self) -> str:
        return str(self.folder / "messages")

    @cached_property
    def data_folder_out(self) -> str:
        return self.data_folder_in

    @cached_property
    def control_folder(self) -> Path:
        return self.folder / "control"

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:
        # Wall-clock names keep their order across a restart of the machine; monotonic ones do not.
        name = f"{time.time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg"
        _write_whole(Path(self.data_folder_out) / name, dumps(payload))

    def _get(self, queue: str) -> dict[str, Any]:
        waiting = self._listed.setdefault(queue, deque())
        if not waiting:
            names = sorted(os.listdir(self.data_folder_in))
            waiting.extend(name for name in names if name.partition(".")[2] == f"{queue}.msg")
        while waiting:
            message = Path(self.data_folder_in) / waiting.popleft()
            taken = message.with_name(f".{uuid.uuid4().hex}")
            try:
                os.rename(message, taken)
            except FileNotFoundError:
                continue  # another consumer was first
            payload = taken.read_text()
            taken.unlink()
            return loads(payload)
        raise Empty

    @contextmanager
    def _bindings_locked(self) -> Iterator[None]:
        with open(self.control_folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        binding = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._bindings_locked():
            table = self.get_table(exchange)
            if binding not in table:
                _write_whole(self._exchange_file(exchange), dumps([binding, *table]))

    def _delete(
        self, queue: str, exchange: str, routing_key: str, pattern: str, *args: Any, **kwargs: Any
    ) -> None:
        binding = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._bindings_locked():
            table = self.get_table(exchange)
            if binding in table:
                table.remove(binding)
                _write_whole(self._exchange_file(exchange), dumps(table))
        self._purge(queue)


class Transport(filesystem.Transport):
    """The broker; an idle consumer looks for messages ten times a second."""

    Channel = Channel
    polling_interval = 0.1
    driver_type = driver_name = SCHEME
    states: ClassVar[dict[str, virtual.BrokerState]] = {}

    def __init__(self, client: kombu.Connection, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        # What was declared is remembered per folder: a second folder needs its own bindings.
        self.state = self.states.setdefault(client.virtual_host, virtual.BrokerState())
