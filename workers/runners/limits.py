"""What a child process may use; set by the child itself before it imports anything else."""

import json
import resource
from dataclasses import asdict, dataclass
from pathlib import Path

from workers.runners.handover import LIMITS_FILE

GIB = 2**30


@dataclass(frozen=True)
class Limits:
    """Limits of one child; ``None`` is no limit.

    Attributes:
        memory_bytes: address space. Not set for a child that may use CUDA, which reserves
            address space far beyond the memory it uses.
        cpu_s: processor seconds, summed over threads.
        wall_s: seconds until the parent kills the whole process group.
        file_bytes: size of any one file that the child writes.
        open_files: file descriptors.
    """

    memory_bytes: int | None = 6 * GIB
    cpu_s: int | None = 1800
    wall_s: float = 3600.0
    file_bytes: int | None = 8 * GIB
    open_files: int = 256

    def write(self, folder: Path) -> None:
        """Leave the limits where the child looks for them."""
        (folder / LIMITS_FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Limits":
        """Return the limits that the parent left in ``folder``."""
        return cls(**json.loads((folder / LIMITS_FILE).read_text(encoding="utf-8")))

    def apply(self) -> None:
        """Limit this process and its descendants; cannot be undone."""
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_NOFILE, self.open_files)
        _limit(resource.RLIMIT_FSIZE, self.file_bytes)
        _limit(resource.RLIMIT_CPU, self.cpu_s, grace=1)
        _limit(resource.RLIMIT_AS, self.memory_bytes)


def _limit(which: int, value: int | None, *, grace: int = 0) -> None:
    """Set the limit, and ``grace`` above it the hard one; a lower hard limit stays.

    Processor time needs the grace: the kernel sends SIGXCPU at the first and SIGKILL at the
    second, and only SIGXCPU says what happened.
    """
    if value is None:
        return
    already = resource.getrlimit(which)[1]
    hard = value + grace
    if already != resource.RLIM_INFINITY:
        hard = min(hard, already)
    resource.setrlimit(which, (min(value, hard), hard))
