"""A child process: its result, its refusals, its limits, and that nothing of it stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers.errors import PermanentError
from workers.runners.process import Limits, run_child

pytestmark = pytest.mark.process

JOB = "tests.workers.runners.jobs.behave"
MIB = 2**20


def run(folder, do, *, limits=None, on_progress=None, **job):
    limits = limits or Limits(memory_bytes=512 * MIB, cpu_s=20, wall_s=30)
    return run_child(JOB, {"do": do} | job, folder=folder, limits=limits, on_progress=on_progress)


def refusal(folder, do, **options):
    with pytest.raises(PermanentError) as refused:
        run(folder, do, **options)
    return refused.value


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_result_of_a_job_comes_back(tmp_path):
    result = run(tmp_path, "echo", name="å", number=0.1)

    assert result == {
        "job": {"do": "echo", "name": "å", "number": 0.1},
        "folder": str(tmp_path),
    }


def test_progress_is_told_and_other_output_is_not_mistaken_for_it(tmp_path):
    told = []

    run(tmp_path, "count", on_progress=lambda done, total: told.append((done, total)))

    assert told[-1] == (3, 3)
    assert told == sorted(told)


def test_a_refusal_keeps_its_code_and_detail(tmp_path):
    refused = refusal(tmp_path, "refuse")

    assert (refused.code, refused.detail) == ("no_good", "row 3 is wrong")


def test_a_bug_in_the_child_is_a_crash_with_its_traceback(tmp_path):
    refused = refusal(tmp_path, "fail")

    assert refused.code == "child_crashed"
    assert "a bug of ours" in refused.detail


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT"])
def test_a_signal_is_a_crash_with_the_last_words(tmp_path, name):
    refused = refusal(tmp_path, "die", signal=name)

    assert refused.code == "child_crashed"
    assert name in refused.detail
    assert "last words" in refused.detail


def test_a_child_killed_by_the_system_ran_out_of_memory(tmp_path):
    assert refusal(tmp_path, "die", signal="SIGKILL").code == "out_of_memory"


def test_an_endless_computation_meets_the_processor_limit(tmp_path):
    limits = Limits(cpu_s=1, wall_s=30)

    assert refusal(tmp_path, "spin", limits=limits).code == "time_limit"


def test_a_child_that_only_waits_meets_the_wall_clock(tmp_path):
    started = time.monotonic()

    refused = refusal(tmp_path, "sleep", limits=Limits(wall_s=1.0))

    assert refused.code == "time_limit"
    assert time.monotonic() - started < 5
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_an_allocation_above_the_limit_is_out_of_memory(tmp_path):
    assert refusal(tmp_path, "take_memory", bytes=2**40).code == "out_of_memory"
    assert run(tmp_path, "take_memory", bytes=MIB) == {"length": MIB}


def test_a_file_above_the_limit_is_refused(tmp_path):
    limits = Limits(file_bytes=MIB)

    assert refusal(tmp_path, "write_much", bytes=2 * MIB, limits=limits).code == "output_too_large"
    assert (tmp_path / "much").stat().st_size <= MIB


def test_a_shouting_child_is_neither_blocked_nor_remembered(tmp_path):
    assert run(tmp_path, "shout") == {"shouted": True}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"result": 3}', '{"code": 3}', "[" * 100_000, '{"x": 1}']
)
def test_a_senseless_result_is_a_crash(tmp_path, text):
    assert refusal(tmp_path, "leave_nonsense", text=text).code == "child_crashed"


def test_a_result_of_an_earlier_run_is_not_taken_for_this_one(tmp_path):
    refusal(tmp_path, "refuse")

    assert refusal(tmp_path, "fail").code == "child_crashed"


def test_what_a_crashed_child_left_is_not_believed(tmp_path):
    assert refusal(tmp_path, "leave_and_die").code == "child_crashed"


def test_the_limits_hold_in_the_child(tmp_path):
    limits = Limits(memory_bytes=700 * MIB, cpu_s=7, file_bytes=MIB, open_files=40)

    assert run(tmp_path, "tell_limits", limits=limits) == {
        "AS": 700 * MIB,
        "CPU": 7,
        "FSIZE": MIB,
        "CORE": 0,
        "NOFILE": 40,
    }


def test_a_child_for_a_cuda_device_has_no_address_space_limit(tmp_path):
    assert run(tmp_path, "tell_limits", device="cuda")["AS"] == -1
    assert run(tmp_path, "tell_limits", device="cpu")["AS"] == 512 * MIB


def test_a_child_inherits_no_secret_no_file_and_no_input(tmp_path, monkeypatch):
    monkeypatch.setenv("DJANGO_SECRET_KEY", "canary")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with open(__file__, "rb") as file:
        os.set_inheritable(file.fileno(), True)
        seen = run(tmp_path, "tell_surroundings")

    assert "canary" not in str(seen)
    assert "HOME" not in seen["environment"]
    assert seen["environment"]["CUDA_VISIBLE_DEVICES"] == "3"
    assert seen["environment"]["ORT_DISABLE_TELEMETRY"] == "1"
    assert seen["own_session"]
    assert seen["files"] == 4  # the three standard streams and the listing itself
    assert seen["stdin"] == ""
    assert str(tmp_path) not in seen["path"]


def test_what_the_child_started_ends_with_it(tmp_path):
    run(tmp_path, "leave_a_grandchild")

    wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_a_caller_that_gives_up_takes_the_child_with_it(tmp_path):
    class LeaseLostError(Exception):
        pass

    def give_up(done, total):
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        run(tmp_path, "sleep", on_progress=give_up)

    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_killing_the_worker_takes_the_child_with_it(tmp_path):
    code = f"""
from pathlib import Path
from workers.runners.process import Limits, run_child
run_child({JOB!r}, {{"do": "sleep"}}, folder=Path({str(tmp_path)!r}), limits=Limits())
"""
    worker = subprocess.Popen([sys.executable, "-c", code])
    pid_file = tmp_path / "pid"
    wait_until(lambda: pid_file.exists() and pid_file.read_text())
    child = int(pid_file.read_text())
    assert is_alive(child)

    worker.send_signal(signal.SIGKILL)
    worker.wait()

    wait_until(lambda: not is_alive(child), seconds=3)
