"""Requests that set out at the same moment, from threads of many processes (tests/contender.py)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection

from tests.contender import LINE
from tests.processes import ROOT, wait_until

WAITING = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND objid = %s AND NOT granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass
class Field:
    """The processes that stand ready to race on one database."""

    processes: list[subprocess.Popen[str]]

    def race(self, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Let all requests set out at once; return the answers in the order of the requests."""
        many = len(self.processes)
        with connection.cursor() as cursor:

            def all_stand_at_the_line() -> bool:
                ended = [p.pid for p in self.processes if p.poll() is not None]
                assert not ended, f"contenders have ended: {ended}"
                cursor.execute(WAITING, [LINE])
                return cursor.fetchone() == (len(requests),)

            cursor.execute("SELECT pg_advisory_lock(%s)", [LINE])
            for number, process in enumerate(self.processes):
                assert process.stdin is not None
                print(json.dumps(requests[number::many]), file=process.stdin, flush=True)
            wait_until(all_stand_at_the_line, timeout_s=120, what="everybody to stand at the line")
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LINE])
        answers: list[dict[str, Any]] = [{}] * len(requests)
        for number, process in enumerate(self.processes):
            assert process.stdout is not None
            answers[number::many] = json.loads(process.stdout.readline())
        return answers


@contextmanager
def field(processes: int, database_url: str, log_folder: Path) -> Iterator[Field]:
    """Start the processes of a race; a statement of theirs that hangs is cancelled."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "LOG_LEVEL": "ERROR",
        "PGOPTIONS": "-c statement_timeout=60000",
    }
    with ExitStack() as stack:
        started = []
        for number in range(processes):
            log = stack.enter_context((log_folder / f"contender-{number}.log").open("w"))
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.contender"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            started.append(process)
        yield Field(started)
