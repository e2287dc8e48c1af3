"""Sets the environment of a test session before Django reads its settings.

pytest loads it by name (``-p tests.plugin``), since pytest-django imports the settings before any
conftest. The database server itself starts with the first test that needs it. Each worker of
pytest-xdist is a session of its own, with its own folders and servers: it gets none of the
controller's options before its settings are read, so it finds this plugin by its environment.
"""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers

POSTGRES_FOLDER = pytest.StashKey[Path]()

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 * 2**30
"""Several times what a session stores; containers have 64 MiB there unless told otherwise."""


def _memory() -> Path | None:
    """Return a file system in memory where there is a large one: nothing is waited for there.

    What the product stores is synced file by file.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES
    return MEMORY if has_room and os.access(MEMORY, os.W_OK) else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    data_folder = Path(tempfile.mkdtemp(prefix="registry-data-", dir=_memory()))
    postgres_folder = servers.short_folder("pg")
    early_config.stash[POSTGRES_FOLDER] = postgres_folder
    early_config.add_cleanup(lambda: shutil.rmtree(data_folder, ignore_errors=True))
    early_config.add_cleanup(lambda: shutil.rmtree(postgres_folder, ignore_errors=True))
    os.environ.update(
        dict.fromkeys(ONE_THREAD, "1"),
        PYTEST_PLUGINS=__name__,
        DATABASE_URL=servers.postgres_url(postgres_folder, "registry"),
        VECTORS_URL=servers.postgres_url(postgres_folder, "vectors"),
        CELERY_BROKER_URL="memory://",
        REGISTRY_DATA_DIR=str(data_folder),
        SECRET_KEY="only for tests: a key of fifty characters or more, please",
        SEARCH_SECRET="only for tests",
        ORT_DISABLE_TELEMETRY="1",
        DEBUG="false",
    )
    return (yield)


def pytest_collection_finish() -> None:
    """Look no more at what the collection made: thousands of tests that stay to the end.

    Each full round of the garbage collector would go through them, half a second at a time.
    """
    gc.collect()
    gc.freeze()
