"""Private folders, each held by the process that made it; what a killed one left is removed."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "graceful-held-"

SETTLING_S = 60.0
"""A folder is not held for a moment after it is made: no younger one is removed (chosen)."""


class HeldFolder:
    """A new private folder with a lock on it, which ends with ``remove``, or with the process."""

    def __init__(self, name: str) -> None:
        """Make the folder, after removing those that killed processes left."""
        discard_abandoned()
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-"))
        self._handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove the folder with what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._handle)


@contextmanager
def held_folder(name: str) -> Iterator[Path]:
    """Hold a folder for a block."""
    held = HeldFolder(name)
    try:
        yield held.path
    finally:
        held.remove()


def discard_abandoned() -> int:
    """Remove the folders of this account that no live process holds; return how many."""
    removed = 0
    with os.scandir(tempfile.gettempdir()) as entries:
        ours = [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX)]
    for path in ours:
        with suppress(OSError):  # held by a live process, or removed by another one meanwhile
            removed += _discard(path)
    return removed


def _discard(path: Path) -> bool:
    found = path.lstat()
    is_young = time.time() - found.st_mtime < SETTLING_S
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or is_young:
        return False
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(handle)
    return not path.exists()
