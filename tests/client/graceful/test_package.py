"""The distribution: installs from the checkout with its command and the verifier, and is light."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes

import pytest

from tests.processes import ROOT

LIGHT = ("django", "torch", "numpy", "scipy", "rest_framework", "celery", "registry", "compat")


def pip(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the checkout, built without network."""
    folder = tmp_path_factory.mktemp("checkout")
    copied = ROOT / "client"
    shutil.copytree(
        copied / "graceful",
        folder / "client" / "graceful",
        symlinks=True,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(copied / "pyproject.toml", folder / "client")
    (folder / "registry" / "audit").mkdir(parents=True)
    shutil.copy(ROOT / "registry" / "audit" / "chain.py", folder / "registry" / "audit")
    pip(
        "wheel", "--no-deps", "--no-build-isolation", "--no-index",
        "--wheel-dir", folder / "wheels", folder / "client",
    )  # fmt: skip
    (built,) = (folder / "wheels").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder that the wheel is installed in."""
    target = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--target", target, wheel)
    return target


def environment(installed):
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "HOME": str(installed)}


def in_python(installed, tmp_path, source):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        cwd=tmp_path,
        env=environment(installed),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_module_is_in_the_wheel_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = {
        path.relative_to(ROOT / "client").as_posix()
        for path in (ROOT / "client" / "graceful").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }

    assert names == sources


def test_the_verifier_in_the_wheel_is_the_one_of_the_registry(wheel):
    shipped = zipfile.ZipFile(wheel).read("graceful/ledger.py")

    assert shipped == (ROOT / "registry" / "audit" / "chain.py").read_bytes()
    assert (ROOT / "client" / "graceful" / "ledger.py").is_symlink()


def test_it_asks_for_http_and_a_command_line_library_and_for_nothing_else(wheel):
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
    metadata = message_from_bytes(archive.read(name))

    assert metadata["Name"] == "graceful-registry-client"
    assert metadata.get_all("Requires-Dist") == ["httpx<1,>=0.27", "typer<1,>=0.15"]


@pytest.mark.parametrize("module", ["graceful", "graceful.__main__"])
def test_importing_it_loads_nothing_heavy_and_nothing_of_the_registry(installed, tmp_path, module):
    loaded = in_python(
        installed,
        tmp_path,
        f"import json, sys, {module}; print(json.dumps([graceful.__file__, *sys.modules]))",
    )

    assert loaded[0].startswith(str(installed))
    assert not {name.partition(".")[0] for name in loaded} & set(LIGHT)


def test_the_sdk_alone_loads_no_command_line(installed, tmp_path):
    loaded = in_python(
        installed, tmp_path, "import json, sys, graceful; print(json.dumps([*sys.modules]))"
    )

    assert not {"typer", "pydantic"} & set(loaded)


def graceful(installed, tmp_path, *arguments, **variables):
    return subprocess.run(
        [sys.executable, installed / "bin" / "graceful", *arguments],
        cwd=tmp_path,
        env=environment(installed) | variables,
        capture_output=True,
        text=True,
    )


def test_the_command_is_there(installed, tmp_path):
    version = graceful(installed, tmp_path, "--version")
    helped = graceful(installed, tmp_path, "--help")

    assert (version.returncode, version.stdout) == (0, "0.1.0\n"), version.stderr
    for command in (
        "login", "models", "push", "show", "diff", "gate", "promote", "rollback", "history",
        "policy", "galleries", "ledger", "doctor",
    ):  # fmt: skip
        assert f"  {command} " in helped.stdout


def test_a_bug_is_no_verdict(installed, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import graceful.access\ngraceful.access.access = lambda: 1 / 0\n"
        "import graceful.client\ngraceful.client.access = graceful.access.access\n"
    )

    path = os.pathsep.join([str(tmp_path), str(installed)])
    done = graceful(installed, tmp_path, "models", PYTHONPATH=path)

    assert done.returncode == 6
    assert "ZeroDivisionError" in done.stderr


def test_an_interrupted_command_is_no_verdict(installed, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import graceful.client\n"
        "def interrupted(): raise KeyboardInterrupt\n"
        "graceful.client.access = interrupted\n"
    )

    path = os.pathsep.join([str(tmp_path), str(installed)])
    done = graceful(installed, tmp_path, "models", PYTHONPATH=path)

    assert done.returncode == 130
    assert done.stderr == "interrupted\n"
