"""The resident child: requests of a search process, deaths, deadlines, threads."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.builders.onnx_models import (
    a_linear_model,
    a_model_that_divides_by_zero,
    a_model_that_needs_memory,
    a_model_that_never_ends,
    an_encoder_manifest,
)
from tests.builders.samples import WEIGHTS, scores, some_samples
from workers.errors import PermanentError, TransientError
from workers.runners.limits import GIB, Limits
from workers.runners.resident import ResidentChild

pytestmark = pytest.mark.process

LIMITS = Limits(memory_bytes=GIB, cpu_s=None, file_bytes=2**20)
PLAIN = an_encoder_manifest(normalisation="none")


@pytest.fixture
def resident(tmp_path):
    """Make resident children; end them when the test ends."""
    made = []

    def make(model=None, manifest=PLAIN, **options):
        path = tmp_path / "model.onnx"
        path.write_bytes((model or a_linear_model(WEIGHTS)).SerializeToString())
        child = ResidentChild(path, manifest, device="cpu", limits=LIMITS, **options)
        made.append(child)
        return child

    yield make
    for child in made:
        child.close()


def process_of(child):
    return child._child.pid


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refusal(call, *arguments):
    with pytest.raises(PermanentError) as refused:
        call(*arguments)
    return refused.value.code


def test_lists_and_bytes_are_encoded_alike(resident):
    child, samples = resident(), some_samples(3)
    wanted = scores(samples).astype(np.float32).tobytes()

    assert child.encode(samples.tolist()) == wanted
    assert child.encode(samples.tobytes(), samples.shape) == wanted


@pytest.mark.parametrize(
    "inputs", [3, [[1, 2], [3]], [["1", "2", "3", "4"]], [[None] * 4], [[True] * 4], {"a": 1}]
)
def test_what_is_not_a_list_of_samples_is_refused(resident, inputs):
    assert refusal(resident().encode, inputs) == "input_shape"


def test_bytes_that_do_not_fill_their_shape_are_refused(resident):
    assert refusal(resident().encode, b"\0" * 16, (2, 4)) == "input_shape"


def test_a_sample_with_nan_is_refused_before_the_graph_can_hide_it(resident):
    assert refusal(resident().encode, [[1.0, float("nan"), 0.0, 0.0]]) == "not_finite"


def test_the_same_process_answers_every_request(resident):
    child = resident()

    child.encode(some_samples().tolist())
    first = process_of(child)
    child.encode(some_samples().tolist())

    assert process_of(child) == first


def test_a_child_that_was_killed_is_replaced_by_the_next_request(resident):
    child, samples = resident(), some_samples(2)
    child.warm()
    killed = process_of(child)
    os.kill(killed, signal.SIGKILL)

    assert child.encode(samples.tolist()) == scores(samples).astype(np.float32).tobytes()
    assert process_of(child) != killed
    assert child.restarts == 1


def test_a_request_without_an_answer_ends_in_time_and_the_next_one_starts_anew(resident):
    child = resident(a_model_that_never_ends(), an_encoder_manifest(shape=(3,)), timeout_s=1.0)
    child.warm()
    stuck = process_of(child)

    assert refusal(child.encode, [[1, 2, 3]]) == "time_limit"

    assert not is_alive(stuck)
    child.warm()
    assert process_of(child) != stuck


def test_a_stopped_child_cannot_hold_its_owner(resident):
    child = resident(timeout_s=1.0)
    child.warm()
    os.kill(process_of(child), signal.SIGSTOP)

    assert refusal(child.encode, some_samples().tolist()) == "time_limit"


def test_a_request_that_takes_too_much_memory_is_refused_and_the_child_lives(resident):
    child = resident(a_model_that_needs_memory(), an_encoder_manifest(shape=(3,)))
    child.warm()
    before = process_of(child)

    assert refusal(child.encode, [[1, 2, 3]]) == "out_of_memory"
    assert process_of(child) == before


def test_outputs_are_checked_for_every_request(resident):
    manifest = an_encoder_manifest(shape=(3,), normalisation="none")
    child = resident(a_model_that_divides_by_zero(), manifest)

    assert refusal(child.encode, [[1, 0, 2]]) == "outputs_not_finite"
    assert np.frombuffer(child.encode([[1, 4, 2]]), np.float32).tolist() == [1, 1, 1]


def test_an_encoder_that_cannot_be_loaded_says_why(resident):
    child = resident(manifest=an_encoder_manifest(dimension=7))

    assert refusal(child.warm) == "manifest_mismatch"


def test_a_request_beyond_the_cap_is_refused_without_being_sent(resident):
    child = resident()

    with pytest.raises(PermanentError) as refused:
        child.run(np.empty((2**23, 4), dtype=np.float32))

    assert refused.value.code == "request_too_large"
    assert child.provider == ""


def test_threads_each_get_their_own_answer(resident):
    child = resident()
    child.warm()
    wrong = []

    def ask(number):
        for turn in range(20):
            samples = np.full((1 + turn % 3, 4), number * 100 + turn, dtype=np.float32)
            if child.run(samples).tolist() != scores(samples).tolist():
                wrong.append((number, turn))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_the_child_outlives_the_thread_that_started_it(resident):
    child = resident()
    thread = threading.Thread(target=child.warm)
    thread.start()
    thread.join()
    started = process_of(child)
    time.sleep(0.3)

    child.encode(some_samples().tolist())

    assert process_of(child) == started


def test_a_request_does_not_wait_for_ever_behind_others(resident):
    child = resident(a_model_that_never_ends(), an_encoder_manifest(shape=(3,)), timeout_s=3.0)
    child.warm()
    first = threading.Thread(target=refusal, args=(child.encode, [[1, 2, 3]]))
    first.start()
    wait_until(child._lock.locked)
    child._timeout_s = 0.2

    with pytest.raises(TransientError):
        child.encode([[1, 2, 3]])
    first.join()


def test_closing_ends_the_process_and_removes_its_folder(resident):
    child = resident()
    child.warm()
    pid, folder = process_of(child), child._held.path

    child.close()

    assert not is_alive(pid)
    assert not folder.exists()


def test_killing_the_search_process_ends_the_child_even_in_the_middle_of_a_request(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(a_model_that_never_ends().SerializeToString())
    code = f"""
from pathlib import Path
from tests.builders.onnx_models import an_encoder_manifest
from workers.runners.resident import ResidentChild
child = ResidentChild(Path({str(path)!r}), an_encoder_manifest(shape=(3,)), device="cpu")
child.warm()
print(child._child.pid, flush=True)
child.encode([[1, 2, 3]])
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
    pid = int(owner.stdout.readline())
    time.sleep(0.3)
    assert is_alive(pid)

    owner.kill()
    owner.wait()
    owner.stdout.close()

    wait_until(lambda: not is_alive(pid))
