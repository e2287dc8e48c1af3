"""Pushing candidates from the command line."""

import json

import pytest

from registry.catalog.models import ModelVersion
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def files(tmp_path):
    """A candidate with its manifest and card."""
    (tmp_path / "net.onnx").write_bytes(make.model_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps(make.a_manifest()))
    (tmp_path / "card.md").write_text("# Card\n\nMade for tests.\n")
    return tmp_path


def push(run, files, *options, **more):
    return run(
        "push",
        "digits",
        files / "net.onnx",
        "--manifest",
        files / "manifest.json",
        *options,
        **more,
    )


def test_a_push_prints_a_link_and_is_repeated_without_harm(run, registry, alias, files):
    first = push(run, files, "--card", files / "card.md")
    again = push(run, files, "--card", files / "card.md", "--format", "json")

    assert first.exit_code == again.exit_code == 0, first.stderr
    said = json.loads(again.stdout)
    assert said["version"] == "digits:1"
    assert said["link"] == f"{registry.url}/upgrades/{said['upgrade']}/"
    assert said["link"] in first.stdout
    assert push(run, files, "--card", files / "card.md", "--print-number").stdout == "1\n"
    assert "sending" in first.stderr
    assert ModelVersion.objects.get().card == "# Card\n\nMade for tests.\n"


def test_a_push_names_parents_and_the_alias(run, registry, alias, files):
    make.a_promoted_upgrade(alias)
    registry.open_alias("digits", "staging")

    result = push(
        run, files, "--parent", "retrained_from=digits@production", "--alias", "staging",
        "--parent", "compatible_with=digits:1",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    version = registry.version("digits", 2)
    assert {(e["relation"], e["version"]) for e in version["parents"]} == {
        ("retrained_from", "digits:1"),
        ("compatible_with", "digits:1"),
    }
    assert registry.upgrade_to("digits", 2)["alias"] == "staging"


def test_a_push_of_recorded_outputs_has_no_file(run, alias, files):
    (files / "manifest.json").write_text(json.dumps(make.a_manifest(recorded=True)))

    result = run("push", "digits", "--manifest", files / "manifest.json")

    assert result.exit_code == 0, result.stderr
    assert ModelVersion.objects.get().artifact is None


def test_a_push_that_waits_exits_as_the_gate_does(run, alias, files):
    result = push(run, files, "--wait", "--timeout", "0.2")

    assert result.exit_code == 4
    assert "is pending" in result.stdout


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda files: (files / "manifest.json").write_text('{"schema": 1,\n  oops}'), "not_json"),
        (lambda files: (files / "manifest.json").write_text("{}"), "invalid_manifest"),
        (lambda files: (files / "net.onnx").write_bytes(b""), "empty_upload"),
        (lambda files: (files / "net.onnx").write_bytes(b"\x80\x04" * 20), "wrong_file_type"),
    ],
)
def test_a_push_that_makes_no_sense_leaves_nothing(run, alias, files, change, code):
    change(files)

    result = push(run, files)

    assert result.exit_code == 2
    assert f"{code}: " in result.stderr
    assert not ModelVersion.objects.exists()


def test_broken_json_is_named_by_its_line(run, alias, files):
    (files / "manifest.json").write_text('{"schema": 1,\n  oops}')

    assert "line 2, column 3" in push(run, files).stderr


@pytest.mark.parametrize("parent", ["digits:1", "=digits:1", "retrained_from="])
def test_a_parent_has_a_relation(run, alias, files, parent):
    assert push(run, files, "--parent", parent).exit_code == 2
