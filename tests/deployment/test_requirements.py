"""What is installed is pinned, named, and comes from wherever the installer is told."""

import re

import pytest

from tests.processes import ROOT

FILES = sorted(ROOT.glob("requirements*.txt"))
APART = "requirements-milvus.txt"
HERE = [path for path in FILES if path.name != APART]


def lines(path):
    return [
        line.split("#")[0].strip()
        for line in path.read_text().splitlines()
        if line.strip()[:1] not in {"", "#"}
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_requirement_is_pinned_exactly_and_names_no_address(path):
    assert lines(path)
    for line in lines(path):
        assert re.fullmatch(r"[A-Za-z0-9_.-]+(\[[a-z,]+\])?==[0-9][0-9a-z.]*", line), line
    assert "://" not in path.read_text()


def test_the_packages_that_the_project_was_asked_to_use_are_all_named():
    named = {re.split(r"[\[=]", line)[0].lower() for line in lines(ROOT / "requirements.txt")}
    assert {
        "django",
        "djangorestframework",
        "celery",
        "redis",
        "torch",
        "faiss-cpu",
        "psycopg2-binary",
        "pytest-django",
    } <= named


def test_no_package_is_pinned_twice():
    names = [re.split(r"[\[=]", line)[0].lower() for path in HERE for line in lines(path)]
    assert len(names) == len(set(names))


def test_what_is_pinned_is_what_runs_here():
    from importlib.metadata import version

    for path in HERE:
        for line in lines(path):
            name, _, pinned = line.partition("==")
            assert version(name.partition("[")[0]).partition("+")[0] == pinned, name


def test_an_environment_apart_pins_what_it_shares_alike():
    pinned = {line for path in HERE for line in lines(path)}
    shared = {line.partition("==")[0] for line in pinned} & {
        line.partition("==")[0] for line in lines(ROOT / APART)
    }

    assert {"numpy", "faiss-cpu", "pytest", "hypothesis"} <= shared
    assert {line for line in lines(ROOT / APART) if line.partition("==")[0] in shared} <= pinned
