"""A private folder lives as long as its process; what a killed one left is removed."""

import os
import subprocess
import sys
import tempfile
import time

import pytest

from workers.errors import PermanentError
from workers.runners import launch
from workers.runners.folders import PREFIX, SETTLING_S, HeldFolder, discard_abandoned, held_folder
from workers.runners.resident import ResidentChild

HOLDS_ONE = """
import sys, time
from workers.runners.folders import HeldFolder
held = HeldFolder("job")
(held.path / "half").write_bytes(b"of it")
print(held.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Let temporary folders lie in the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(path, seconds=SETTLING_S + 1):
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def left_behind(here, name="job"):
    folder = here / f"{PREFIX}{name}-abc"
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / "file").write_bytes(b"1")
    return aged(folder)


@pytest.mark.process
def test_a_killed_process_leaves_its_folder_until_somebody_looks_and_a_live_one_keeps_it(here):
    command = [sys.executable, "-c", HOLDS_ONE]
    with subprocess.Popen(
        command, env=os.environ | {"TMPDIR": str(here)}, stdout=subprocess.PIPE, text=True
    ) as holder:
        folder = aged(here / holder.stdout.readline().strip())

        while_alive = discard_abandoned()
        holder.kill()
        holder.wait()

        assert (while_alive, folder.exists()) == (0, True)
        assert discard_abandoned() == 1
        assert not folder.exists()


def test_what_was_left_goes_when_the_next_folder_is_made(here):
    old = left_behind(here, "encoder")

    with held_folder("job") as folder:
        assert not old.exists()
        assert folder.exists()

    assert list(here.iterdir()) == []


def test_a_folder_that_was_only_just_made_is_left_alone(here):
    young = left_behind(here)
    os.utime(young)

    assert discard_abandoned() == 0
    assert young.exists()


def test_nothing_but_our_own_folders_is_touched(here):
    foreign = here / "job-of-somebody"
    foreign.mkdir()
    file = here / f"{PREFIX}file"
    file.write_bytes(b"1")
    link = here / f"{PREFIX}link"
    link.symlink_to(foreign)
    for path in (foreign, file):
        aged(path)
    os.utime(link, (1, 1), follow_symlinks=False)

    assert discard_abandoned() == 0
    assert sorted(here.iterdir()) == sorted([foreign, file, link])


def test_a_folder_of_another_account_is_not_touched(here, monkeypatch):
    folder = left_behind(here)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)

    assert discard_abandoned() == 0
    assert folder.exists()


def test_an_encoder_that_could_not_be_started_leaves_no_folder(here, monkeypatch):
    def fails(*_, **__):
        raise PermanentError("no_room", "there is none")

    monkeypatch.setattr(launch, "start", fails)
    child = ResidentChild(here / "model.onnx", {})

    for _ in range(2):
        with pytest.raises(PermanentError):
            child.warm()
    child.close()

    assert list(here.iterdir()) == []


def test_a_folder_is_for_its_owner_alone(here):
    held = HeldFolder("job")

    assert held.path.stat().st_mode & 0o777 == 0o700
    held.remove()
    assert not held.path.exists()
