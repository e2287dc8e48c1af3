"""Entry of every child process: ``python -m workers.runners.child MODULE FOLDER [--resident]``.

The limits are set before anything but the standard library is imported. ``MODULE.main(job,
folder, report)`` does the work; what it returns, or why it refused, goes to ``result.json``.
"""

import ctypes
import errno
import importlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from workers.errors import PermanentError
from workers.runners.handover import JOB_FILE, PARENT_VARIABLE, RESULT_FILE
from workers.runners.limits import Limits

PR_SET_PDEATHSIG = 1
WATCH_S = 0.5
REFUSED = 3
"""Exit status of a child that wrote a refusal."""


def main(module: str, folder: Path, *, resident: bool = False) -> int:
    """Run the job in ``folder`` and return the exit status."""
    _die_with_the_parent(resident=resident)
    Limits.read(folder).apply()
    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    try:
        result = importlib.import_module(module).main(job, folder, report)
        _leave(folder, {"result": result})
    except (PermanentError, MemoryError, OSError) as exc:
        _leave(folder, _refusal(exc))
        return REFUSED
    return 0


def report(done: int, total: int) -> None:
    """Print one line of progress for the parent."""
    sys.stdout.write(json.dumps({"done": done, "total": total}) + "\n")
    sys.stdout.flush()


def _refusal(exc: PermanentError | MemoryError | OSError) -> dict[str, Any]:
    """Return the refusal that ``exc`` stands for; an error that names no limit is a bug."""
    if isinstance(exc, PermanentError):
        return {"code": exc.code, "detail": exc.detail}
    if isinstance(exc, MemoryError) or exc.errno == errno.ENOMEM:
        return {"code": "out_of_memory", "detail": "it needs more memory than a child may use"}
    if exc.errno == errno.EFBIG:
        return {"code": "output_too_large", "detail": "it writes a larger file than a child may"}
    if exc.errno == errno.ENOSPC:
        return {"transient": "no space left on the disk"}
    raise exc


def _leave(folder: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, allow_nan=False)
    (folder / RESULT_FILE).write_text(text, encoding="utf-8")


def _die_with_the_parent(*, resident: bool) -> None:
    """End this process when its parent ends, however that comes about.

    The kernel's signal follows the *thread* that started the child. That is what a one-shot job
    wants; a resident child outlives the request that started it, so it watches the process.
    """
    parent = int(os.environ[PARENT_VARIABLE])
    if resident:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    elif sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before the request was made


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), resident="--resident" in sys.argv[3:]))
