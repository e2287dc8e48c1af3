"""What every compute task does around its child process: a folder, a heartbeat, limits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from registry.core import leases
from registry.core.data import artifact_store
from registry.core.errors import RegistryError
from workers.errors import PermanentError
from workers.runners.folders import held_folder
from workers.runners.process import Limits, run_child

BEAT_S = leases.LEASE.total_seconds() / 3


class Workplace:
    """One claimed piece of work: its private folder, and a heartbeat while it is worked on."""

    def __init__(self, model: type[leases.Work], claim: leases.Claim, folder: Path) -> None:
        self.folder = folder
        self._model, self._claim = model, claim
        self._progress = (0, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def run(self, module: str, **job: Any) -> dict[str, Any]:
        """Run one job in a child process under this installation's limits."""
        uses_cuda = settings.COMPUTE_DEVICE != "cpu" and _cuda_is_visible()
        limits = Limits(
            memory_bytes=None if uses_cuda else settings.CHILD_MEMORY_BYTES,
            cpu_s=settings.CHILD_CPU_S,
            wall_s=settings.CHILD_WALL_S,
        )
        return run_child(module, job, folder=self.folder, limits=limits, on_progress=self.report)

    def report(self, done: int, total: int) -> None:
        """Note how far the work has come; the heartbeat tells."""
        self._progress = (done, total)

    def start(self) -> None:
        """Begin to extend the lease."""
        self._thread.start()

    def stop(self) -> None:
        """End the heartbeat."""
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        last, waited = self._progress, 0.0
        try:
            while not self._stop.wait(1.0):
                waited += 1.0
                if self._progress != last or waited >= BEAT_S:
                    last, waited = self._progress, 0.0
                    leases.extend(self._model, self._claim, *last)
        finally:
            connections.close_all()


@contextmanager
def workplace(model: type[leases.Work], claim: leases.Claim) -> Iterator[Workplace]:
    """Open a private folder and a heartbeat for one claim; both end with the block.

    Raises:
        PermanentError: stored bytes are missing or have changed, instead of the registry's error.
    """
    with held_folder("job") as folder:
        place = Workplace(model, claim, folder)
        place.start()
        try:
            yield place
        except RegistryError as exc:
            raise PermanentError(exc.code, str(exc)) from exc
        finally:
            place.stop()


def stored(digest: str) -> str:
    """Return the path of stored bytes after checking them against their digest."""
    return str(artifact_store().verified_path(digest))


def _cuda_is_visible() -> bool:
    return Path("/dev/nvidiactl").exists()
