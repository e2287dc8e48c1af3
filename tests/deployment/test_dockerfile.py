"""The image holds what runs, nothing secret, nothing for tests, and starts without root."""

import re
import shlex

from tests.processes import ROOT

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
INSTRUCTIONS = [
    (line.partition(" ")[0], line.partition(" ")[2])
    for line in DOCKERFILE.replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]
IGNORED = (ROOT / "docker" / "Dockerfile.dockerignore").read_text().splitlines()


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def copied() -> set[str]:
    """Return the paths of the repository that reach the image or its build."""
    words = [shlex.split(rest)[:-1] for rest in arguments("COPY") if "--from" not in rest]
    return {word for line in words for word in line}


def test_everything_copied_exists_and_reaches_the_builder():
    for path in copied():
        assert (ROOT / path).exists(), path
        assert f"!{path}" in IGNORED, path


def test_nothing_else_reaches_the_builder():
    assert IGNORED[1] == "*"
    assert {line[1:] for line in IGNORED if line.startswith("!")} == copied()


def test_every_package_of_the_running_system_is_copied():
    assert {"compat", "registry", "workers", "templates", "manage.py"} <= copied()
    assert not {"tests", "bench", ".", "docker"} & copied()


def test_the_image_starts_as_a_user_without_rights():
    names = [name for name, _ in INSTRUCTIONS]
    assert arguments("USER") == ["10001:10001"]
    assert names.index("USER") > max(n for n, name in enumerate(names) if name == "RUN")


def test_the_image_sends_no_telemetry_and_carries_no_secret():
    settings = " ".join(arguments("ENV") + arguments("ARG"))
    assert "ORT_DISABLE_TELEMETRY=1" in settings
    assert not re.search("PASSWORD|SECRET|TOKEN", settings)


def test_the_base_image_has_a_version():
    assert arguments("ARG")[0] == "PYTHON=3.11-slim-bookworm"
    assert all("${PYTHON}" in rest for rest in arguments("FROM"))


def test_the_build_cuts_off_exactly_the_test_tools():
    run, _, tools = (ROOT / "requirements.txt").read_text().partition("\n# test tools\n")
    assert "pytest==" in tools
    assert not re.search("pytest|hypothesis|playwright|pgserver|valkey", run)
    assert not re.search(r"^(torch|Django|celery|faiss-cpu|httpx)==", tools, re.MULTILINE)
