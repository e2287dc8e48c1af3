"""Installations to measure on: SQLite as a first user has it, and PostgreSQL as it is deployed."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import servers

DATABASES = ("sqlite", "postgresql")


@contextmanager
def environment(database: str) -> Iterator[dict[str, str]]:
    """Give the environment of a new installation; both databases sync every commit to disk."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if database == "sqlite":
            yield _environment(folder, f"sqlite:///{folder}/registry.sqlite3")
            return
        servers.POSTGRES_SPEED = ("shared_buffers=256MB",)  # the tests' own do not sync
        with servers.postgres(servers.short_folder("bench-pg")) as url:
            yield _environment(folder, url)


def results_of(module: str, database: str, *arguments: str) -> list[dict[str, Any]]:
    """Run ``module --measure`` in a process of its own and return what it prints, a line each."""
    results = []
    with environment(database) as variables:
        command = [sys.executable, "-m", module, "--measure", *arguments]
        with subprocess.Popen(
            command, env=os.environ | variables, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                results.append(json.loads(line) | {"database": database})
                print(f"  {database}: {line.strip()}", file=sys.stderr)
    if child.returncode:
        raise SystemExit(f"{module} on {database} ended with {child.returncode}")
    return results


def start_django() -> None:
    """Load Django and make the tables."""
    import django  # after the environment

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of all values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _environment(folder: str, database_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REGISTRY_DATA_DIR": str(Path(folder) / "data"),
        "CELERY_BROKER_URL": "memory://",
        "DJANGO_SETTINGS_MODULE": "registry.settings",
        "LOG_LEVEL": "ERROR",
        "OMP_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
    }
