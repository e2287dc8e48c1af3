"""Cost of a request that creates a version, resolves an alias, moves an alias.

    python -m bench.catalog

Requests go through the whole Django stack (token, JSON, services, ledger) in one process, on SQLite
with ``synchronous=FULL``. CPU is that of the process; wall time holds the syncs to disk as well.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable

from bench.machine import print_table

SIZES = (100, 10_000)
REQUESTS = 60


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            REGISTRY_DATA_DIR=folder,
            DJANGO_SETTINGS_MODULE="registry.settings",
            CELERY_BROKER_URL="memory://",
            ALLOWED_HOSTS="testserver",
            LOG_LEVEL="ERROR",
        )
        import django  # after the environment

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False)
        rows = [row for size in SIZES for row in _measure(size)]
    print_table(
        f"Cost of a request on the server, median of {REQUESTS}",
        ["request", "versions in the line", "CPU ms", "wall ms"],
        rows,
    )


def _measure(size: int) -> list[list[str]]:
    from django.test import Client

    from tests.builders import registry as build

    alias = build.an_alias()
    first = build.a_promoted_upgrade(alias)
    second = build.a_promoted_upgrade(alias)
    _fill(alias.model, size)
    _, secret = build.a_token(first.created_by)
    client = Client(headers={"authorization": f"Bearer {secret}"})
    numbers = [first.candidate.number, second.candidate.number]
    path = f"/api/v1/models/{alias.model.name}"

    def create() -> None:
        _expect(201, _create(client, path, build))

    def resolve() -> None:
        _expect(200, client.get(f"/api/v1/resolve?reference={alias.model.name}@production"))

    def move() -> None:
        body = {"version": numbers[0], "reason": "bench", "confirm_unsearchable": 0}
        url = f"{path}/aliases/production/rollback"
        _expect(200, client.post(url, body, content_type="application/json"))
        numbers.reverse()

    acts = (("create a version", create), ("resolve an alias", resolve), ("move an alias", move))
    return [[name, f"{size:,}", *_times(act)] for name, act in acts]


def _create(client, path: str, build):
    import json

    from django.core.files.uploadedfile import SimpleUploadedFile

    manifest = json.dumps(build.a_manifest())
    file = SimpleUploadedFile("model.onnx", build.model_bytes())
    return client.post(f"{path}/versions", {"manifest": manifest, "file": file})


def _fill(model, size: int) -> None:
    """Add versions straight to the table until the line has ``size`` of them."""
    from registry.catalog.models import ModelVersion
    from tests.builders import registry as build

    like = model.versions.first()
    model.refresh_from_db()
    missing = range(model.next_number, size + 1)
    ModelVersion.objects.bulk_create(
        (
            ModelVersion(
                model=model,
                number=number,
                artifact=like.artifact,
                manifest=like.manifest,
                digest=build.a_digest(),
                state="ready",
                work_state="done",
                created_by=like.created_by,
                created_at=like.created_at,
            )
            for number in missing
        ),
        batch_size=500,
    )
    model.next_number = size + 1
    model.save(update_fields=["next_number"])


def _times(act: Callable[[], None]) -> list[str]:
    for _ in range(5):
        act()
    cpu, wall = [], []
    for _ in range(REQUESTS):
        started = time.process_time(), time.perf_counter()
        act()
        cpu.append(time.process_time() - started[0])
        wall.append(time.perf_counter() - started[1])
    return [f"{1000 * statistics.median(times):.1f}" for times in (cpu, wall)]


def _expect(status: int, response) -> None:
    if response.status_code != status:
        raise SystemExit(f"{response.status_code}: {response.content[:500]!r}")


if __name__ == "__main__":
    main()
