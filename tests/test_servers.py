"""The test servers start fast, work, and never outlive the session that started them."""

import os
import signal
import subprocess
import sys

import psycopg2
import pytest
import redis

from tests import servers
from tests.processes import wait_until

HOLDER = """
import sys, time
from pathlib import Path
from tests import servers
with getattr(servers, sys.argv[1])(Path(sys.argv[2])):
    print("ready", flush=True)
    time.sleep(600)
"""


def test_postgresql_answers_and_has_pgvector(postgres_folder):
    url = servers.create_database(postgres_folder, "pgvector")
    assert len(f"{postgres_folder}/.s.PGSQL.5432") < 100
    connection = psycopg2.connect(host=str(postgres_folder), user="registry", dbname="pgvector")
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION vector")
        cursor.execute("SELECT '[3,4]'::vector <-> '[0,0]'")
        assert cursor.fetchone() == (5.0,)
    connection.close()
    assert url.endswith(f"/pgvector?host={postgres_folder}")


@pytest.mark.django_db
def test_the_test_database_is_postgresql():
    from django.db import connection

    assert connection.vendor == "postgresql"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("test_before", [0, 1])
def test_only_the_flush_between_tests_may_empty_a_table_written_once(test_before):
    from django.db import IntegrityError, connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW session_replication_role")
        assert cursor.fetchone() == ("origin",)
        with pytest.raises(IntegrityError, match="written once"):
            cursor.execute("TRUNCATE audit_ledgerentry CASCADE")


def test_redis_answers(redis_url):
    with redis.Redis(unix_socket_path=redis_url.removeprefix("redis+socket://")) as client:
        assert client.ping() is True


def test_redis_comes_from_the_wheel_where_none_is_on_path(monkeypatch):
    monkeypatch.setattr(servers.shutil, "which", lambda name: None)
    with (
        servers.redis(servers.short_folder("redis")) as url,
        redis.Redis(unix_socket_path=url.removeprefix("redis+socket://")) as client,
    ):
        assert client.ping() is True


@pytest.mark.process
@pytest.mark.parametrize("server", ["postgres", "redis"])
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_its_session(server, by):
    folder = servers.short_folder("ends")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, server, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        holder.send_signal(by)
        holder.wait(timeout=30)
        wait_until(lambda: not folder.exists(), what="the folder to go")
    assert [line for line in _command_lines() if str(folder) in line] == []


def _command_lines() -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(os.getpid()) not in line]
