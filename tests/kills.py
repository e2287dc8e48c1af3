"""``kill -9`` at a chosen step: a forked process dies before one of the steps that it makes.

Steps are the statements that it sends to the database, the moment before and after each commit,
and every change of a name or a sync on disk: whatever else it does leaves no trace.
"""

import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, connections

FILE_STEPS = ("fsync", "link", "mkdir", "rename", "replace", "rmdir", "unlink")


@dataclass(frozen=True)
class Ended:
    """How a process ended: killed at its step, or done with what it returned."""

    was_killed: bool
    steps: int = 0
    result: Any = None


def carried_out(act: Callable[[], Any], *, kill_at: int | None = None) -> Ended:
    """Carry ``act`` out in a process of its own that dies before step ``kill_at``."""
    connections.close_all()
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        _be_the_child(act, kill_at, writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return Ended(was_killed=True)
    assert status == 0, "the process failed; what it printed says why"
    return Ended(False, **json.loads(told))


def spread(steps: int, kills: int) -> Iterator[int]:
    """Yield the steps to die at: all of them in turn, or from the first to the last, far apart."""
    for number in range(kills):
        yield number % steps if kills >= steps else number * (steps - 1) // max(1, kills - 1)


def _be_the_child(act: Callable[[], Any], kill_at: int | None, writing: int) -> None:
    """Never return: whatever happens in here must not run the rest of the test twice."""
    code = 1
    try:
        _leave_connections_to_the_parent()
        count = _count_steps(kill_at)
        result = act()
        with os.fdopen(writing, "w") as pipe:
            json.dump({"steps": count(), "result": result}, pipe)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _leave_connections_to_the_parent() -> None:
    """Use none of those that were open: the server would not see this process die.

    A parent in which a browser runs has an event loop, and beside the connection of that context
    one of the thread, which ``close_all`` does not find there. A child has no loop.
    """
    for inherited in connections.all(initialized_only=True):
        inherited.connection = None


def _count_steps(kill_at: int | None) -> Callable[[], int]:
    """Count what this process does from now on, and die when it is time."""
    done = 0

    def step() -> None:
        nonlocal done
        if done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1

    def before_statement(execute: Callable[..., Any], *arguments: Any) -> Any:
        step()
        return execute(*arguments)

    def around_commit(commit: Callable[[], Any]) -> Callable[[], Any]:
        def committed() -> Any:
            step()
            commit()
            step()

        return committed

    def before(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            step()
            return function(*arguments, **named)

        return called

    connection.execute_wrappers.append(before_statement)
    connection._commit = around_commit(connection._commit)
    for name in FILE_STEPS:
        setattr(os, name, before(getattr(os, name)))
    return lambda: done
