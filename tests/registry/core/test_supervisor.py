"""The supervisor restarts what dies, ends all in order, and takes its programs with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from registry.core import supervisor
from registry.core.supervisor import Program, Supervisor
from tests.processes import ROOT, free_port, wait_until

pytestmark = pytest.mark.process

SUPERVISE = """
import json, os, sys
from pathlib import Path
from registry.core.supervisor import Program, Supervisor
programs = [Program(name, tuple(command), address and tuple(address), grace)
            for name, command, address, grace in json.loads(sys.argv[1])]
Supervisor(programs, Path(sys.argv[2]), os.environ, lambda line: print(line, flush=True)).run()
"""
WAIT = "import os, time, sys; print(os.getpid(), flush=True); time.sleep(600)"
TELL_WHEN_STOPPED = """
import os, pathlib, signal, sys, time
def stop(*_):
    with open(sys.argv[2], "a") as order: order.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print(os.getpid(), flush=True)
time.sleep(600)
"""
STUBBORN = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + WAIT
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


def program(name, code, *arguments, address=None, grace_s=20.0):
    return (name, (sys.executable, "-c", code, *arguments), address, grace_s)


@pytest.fixture
def supervise(tmp_path):
    """Start a supervisor of the given programs in a process of its own."""
    import json

    started = []

    def start(*programs):
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", SUPERVISE, json.dumps(programs), str(tmp_path)],
                cwd=ROOT,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        for name, *_ in programs:
            wait_until(lambda name=name: pids(tmp_path, name), what=f"{name} to start")
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def pids(folder: Path, name: str) -> list[int]:
    """Return the process ids that a program printed, over all its starts."""
    log = folder / f"{name}.log"
    return [int(word) for word in log.read_text().split()] if log.exists() else []


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_program_that_is_killed_starts_again(supervise, tmp_path):
    supervise(program("one", WAIT))
    os.kill(pids(tmp_path, "one")[0], signal.SIGKILL)
    wait_until(lambda: len(pids(tmp_path, "one")) == 2, what="the second start")
    assert "one ended with 137; again in 0.5 s" in (tmp_path / "said").read_text()


def test_what_a_dead_program_started_dies_before_it_starts_again(supervise, tmp_path):
    supervise(program("one", FAMILY))
    parent, child = pids(tmp_path, "one")
    os.kill(parent, signal.SIGKILL)
    wait_until(lambda: len(pids(tmp_path, "one")) == 4, what="the second start")
    assert not is_alive(child)


def test_programs_stop_in_the_reverse_of_their_order(supervise, tmp_path):
    order = tmp_path / "order"
    names = ["worker", "search", "web"]
    process = supervise(*[program(name, TELL_WHEN_STOPPED, name, str(order)) for name in names])
    process.terminate()
    assert process.wait(timeout=20) == 0
    assert order.read_text().split() == ["web", "search", "worker"]
    assert (tmp_path / "said").read_text().splitlines()[-1] == "stopped"


def test_a_program_that_will_not_stop_is_killed_after_its_grace(supervise, tmp_path):
    process = supervise(program("one", STUBBORN, grace_s=0.5))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    assert not is_alive(pids(tmp_path, "one")[0])


def test_a_second_signal_ends_the_wait_for_a_stubborn_program(supervise, tmp_path):
    process = supervise(program("one", STUBBORN, grace_s=600))
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_a_supervisor_that_is_killed_takes_everything_with_it(supervise, tmp_path):
    process = supervise(program("one", FAMILY), program("two", WAIT))
    everybody = pids(tmp_path, "one") + pids(tmp_path, "two")
    process.kill()
    wait_until(lambda: not any(map(is_alive, everybody)), timeout_s=5, what="their end")


def test_an_address_is_announced_once_something_listens_there(supervise, tmp_path):
    port = free_port()
    code = "import os, socket; print(os.getpid(), flush=True)\n" + (
        f"socket.create_server(('127.0.0.1', {port})).accept(); __import__('time').sleep(600)"
    )
    supervise(program("web", code, address=("127.0.0.1", port)))
    said = tmp_path / "said"
    wait_until(lambda: said.read_text(), what="the announcement")
    assert said.read_text() == f"web is ready at http://127.0.0.1:{port}/\n"


def test_the_delay_doubles_and_the_last_lines_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(supervisor, "LONGEST_DELAY_S", 0.04)
    monkeypatch.setattr(supervisor, "POLL_S", 0.01)
    said = []

    def say(line):
        said.append(line)
        if len([line for line in said if "ended" in line]) == 4:
            keeper._stop()

    command = (sys.executable, "-c", "print('no luck'); raise SystemExit(3)")
    keeper = Supervisor([Program("one", command)], tmp_path, os.environ, say)
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        keeper.run()
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)

    delays = [line.split("again in ")[1] for line in said if "ended with 3" in line]
    assert delays == ["0.01 s", "0.02 s", "0.04 s", "0.04 s"]
    assert said.count("one | no luck") == 4


def test_a_log_that_has_grown_too_large_is_put_aside_at_the_next_start(supervise, tmp_path):
    log = tmp_path / "one.log"
    log.write_bytes(b"0\n" * (supervisor.LARGEST_LOG_BYTES // 2 + 1))
    supervise(program("one", WAIT))
    wait_until(lambda: (tmp_path / "one.log.1").exists(), what="the old log")
    assert log.stat().st_size < 100
