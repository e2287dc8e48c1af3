"""The whole registry on one machine by one command."""

import fcntl
import os
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections

from registry.core.supervisor import Program, Supervisor


class Command(BaseCommand):
    """Migrate, then keep the worker, the search process and the web server running."""

    help = "Migrate, then run the worker, the search process and the web server until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address of the web server")
        parser.add_argument("--port", type=int, default=8000, help="its port; 0 takes a free one")
        parser.add_argument("--search-port", type=int, default=0, help="loopback port of search")
        parser.add_argument("--concurrency", type=int, default=2, help="tasks at the same time")

    def handle(self, *args: Any, **options: Any) -> None:
        data_folder = Path(settings.REGISTRY_DATA_DIR).resolve()
        with only_one(data_folder):
            port = usable_port(options["host"], options["port"])
            search_port = usable_port("127.0.0.1", options["search_port"])
            call_command("migrate", interactive=False, verbosity=0)
            if settings.VECTORS_URL:
                call_command("migrate", "vectors", database="vectors", verbosity=0)
            call_command("install_triggers", stdout=StringIO())
            connections.close_all()
            environment = {
                **os.environ,
                "REGISTRY_DATA_DIR": str(data_folder),
                "SEARCH_URL": f"http://127.0.0.1:{search_port}",
                "PYTHONUNBUFFERED": "1",
            }
            self.say(f"data and logs are in {data_folder}")
            Supervisor(
                programs=(
                    worker(options["concurrency"]),
                    search(search_port),
                    web(options["host"], port),
                ),
                log_folder=data_folder / "logs",
                environment=environment,
                say=self.say,
            ).run()

    def say(self, line: str) -> None:
        """Print one line at once, also into a pipe."""
        self.stdout.write(line)
        self.stdout.flush()


def worker(concurrency: int) -> Program:
    """Return the Celery worker of both queues, with the beat inside."""
    command = (sys.executable, "-m", "celery", "-A", "registry.celery", "worker")
    command += ("--queues", "control,compute", "--concurrency", str(concurrency))
    command += ("--beat", "--scheduler", "celery.beat.Scheduler")  # one entry: nothing to store
    command += ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")
    return Program("worker", command)


def search(port: int) -> Program:
    """Return the search process."""
    command = (sys.executable, "-m", "workers.serving", "--port", str(port))
    return Program("search", command, ("127.0.0.1", port))


def web(host: str, port: int) -> Program:
    """Return the web server; never preloaded, since a forked parent must not have computed."""
    command = (sys.executable, "-m", "gunicorn", "registry.wsgi", "--bind", f"{host}:{port}")
    command += ("--worker-class", "gthread", "--workers", "2", "--threads", "8")
    command += ("--no-control-socket",)
    shown = "127.0.0.1" if host in {"0.0.0.0", ""} else host  # noqa: S104 - only compared
    return Program("web", command, (shown, port))


def usable_port(host: str, port: int) -> int:
    """Return ``port``, or a free one for 0.

    Raises:
        CommandError: something else listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise CommandError(f"cannot listen on {host}:{port}: {exc.strerror}") from exc
        return probe.getsockname()[1]


@contextmanager
def only_one(data_folder: Path) -> Iterator[None]:
    """Hold the data folder for this process alone.

    Raises:
        CommandError: another supervisor runs on it.
    """
    with (data_folder / "serve.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"the registry in {data_folder} is already served") from None
        yield
