"""Fixtures that every package's tests share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import settings

from tests import browser as browsers
from tests import servers
from tests.plugin import POSTGRES_FOLDER
from tests.processes import Installation, Processes
from tests.queue import queue  # noqa: F401 - a fixture
from tests.soak import print_rows, soak_row  # noqa: F401 - a fixture

settings.register_profile("any machine", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "any machine")


@pytest.fixture(scope="session")
def postgres_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The folder with the socket of the session's PostgreSQL, which is running."""
    folder = request.config.stash[POSTGRES_FOLDER]
    with servers.postgres(folder):
        yield folder


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres_folder: Path) -> None:
    """Start PostgreSQL before pytest-django makes the test database."""


@pytest.fixture(scope="session", autouse=True)
def _flush_empties_tables_written_once() -> Iterator[None]:
    """Let the flush after a transactional test pass the triggers that refuse it to everybody else.

    Only a superuser may set the role, and only that one transaction of the test database has it.
    Foreign keys are triggers too, so the order of the tables does not matter. Rows are deleted:
    to truncate as many tables takes a third of a second, each gets a new file.
    """

    def sql_flush(
        self: DatabaseOperations, style: Any, tables: list[str], **kwargs: bool
    ) -> list[str]:
        assert not kwargs.get("reset_sequences"), "no test may depend on the number of a row"
        deleted = [f"DELETE FROM {self.quote_name(table)}" for table in tables]
        return ["SET LOCAL session_replication_role = replica", *deleted]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
        yield


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of the session's Redis, which is running."""
    with servers.redis(servers.short_folder("redis")) as url:
        yield url


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts real processes; whatever still runs when the test ends is killed."""
    started = Processes(tmp_path / "process-logs")
    try:
        yield started
    finally:
        started.kill_all()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database to copy."""
    installation = Installation.embedded(tmp_path_factory.mktemp("migrated"))
    installation.manage("migrate", "--verbosity", "0")
    return installation.folder / "registry.sqlite3"


@pytest.fixture
def embedded(tmp_path: Path, migrated_sqlite: Path) -> Installation:
    """A migrated installation of its own: SQLite, the broker in a folder, free ports."""
    installation = Installation.embedded(tmp_path / "installation")
    shutil.copy(migrated_sqlite, installation.folder / "registry.sqlite3")
    return installation


@pytest.fixture(scope="session")
def migrated_postgres(postgres_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated, empty PostgreSQL database to copy."""
    url = servers.create_database(postgres_folder, "migrated")
    installation = Installation.full(tmp_path_factory.mktemp("migrated"), url, "memory://")
    installation.manage("migrate", "--verbosity", "0")
    return "migrated"


@pytest.fixture
def full(
    tmp_path: Path, postgres_folder: Path, migrated_postgres: str, redis_url: str
) -> Installation:
    """A migrated installation of its own on PostgreSQL and Redis; the broker holds nothing."""
    with redis.Redis(unix_socket_path=redis_url.removeprefix("redis+socket://")) as client:
        client.flushall()
    name = f"full_{os.urandom(6).hex()}"
    database = servers.create_database(postgres_folder, name, migrated_postgres)
    return Installation.full(tmp_path / "installation", database, redis_url)


@pytest.fixture(scope="session")
def browser() -> Iterator[browsers.Browser]:
    """The session's Chromium."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread
    with browsers.chromium() as running:
        yield running


@pytest.fixture
def page(browser: browsers.Browser, live_server) -> Iterator[browsers.Page]:
    """A fresh page on the live server; the test fails on console errors."""
    with browsers.watched_page(browser, live_server.url) as opened:
        yield opened


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of the long loops."""
    print_rows(terminalreporter, config)
