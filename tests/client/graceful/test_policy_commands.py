"""Policies from the command line: as text, for every scope, with where each rule comes from."""

import json

import pytest
from graceful import RefusedError

from registry.catalog.selectors import alias_named
from registry.upgrades.effective_policies import effective_policy
from registry.upgrades.models import PolicyChoice, PolicyRevision
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

LAYER = """\
# Ask Ann.
task: classification
inherits: true
level: full
rules:
  - name: no group left behind
    measurement: nfr
    bound: at_most
    threshold: 0.02
    slices: ["class=*&ink=*"]
    promise: backward
"""


@pytest.fixture
def layer(tmp_path):
    path = tmp_path / "layer.yaml"
    path.write_text(LAYER)
    return path


def set_layer(run, layer, *where):
    done = run("policy", "set", *where, "--file", layer, "--name", "layer")
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_lint_names_file_and_line_of_everything_that_is_wrong(run, registry, layer):
    layer.write_text(LAYER.replace("full", "total").replace("threshold", "treshold"))

    result = run("policy", "lint", layer)

    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == (
        f"{layer}:4: level: must be one of none, backward, forward, full, "
        "backward_transitive, forward_transitive, full_transitive"
    )
    assert f"{layer}:6: rules[0]: missing threshold" in result.stderr
    assert f"{layer}:9: rules[0].treshold: is unknown; threshold is meant?" in result.stderr
    assert f"{layer}: invalid_policy" in result.stderr
    assert result.stdout == ""


def test_lint_takes_what_is_no_text_for_wrong_usage(run, registry, tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"\xff\xfe")

    assert run("policy", "lint", path).exit_code == 2


def test_lint_says_what_would_hold_for_an_alias(run, alias, layer):
    good = run("policy", "lint", layer, "--for", "digits@production")
    layer.write_text(LAYER + "without: [gone]\n")
    bad = run("policy", "lint", layer, "--for", "digits")

    assert good.exit_code == 0, good.stderr
    assert "level       full (from alias digits@production)" in good.stdout
    assert "alias digits@production (this file)" in good.stdout
    assert (bad.exit_code, f"{layer}:12: without: " in bad.stderr) == (1, True)
    assert not PolicyRevision.objects.filter(policy__name="layer").exists()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (["digits@production"], "digits@production"),
        (["digits"], "model digits"),
        (["--group", "vision", "--task", "classification"], "group vision"),
    ],
)
def test_a_layer_is_set_for_a_scope_and_unset(run, registry, alias, layer, where, words):
    run("policy", "group", "digits", "vision")

    said = set_layer(run, layer, *where)
    now = effective_policy(alias_named("digits", "production"))
    undone = run("policy", "unset", *where)

    assert said == f"{words} is guarded by layer:1\n"
    assert now.rules.level == "full"
    assert undone.stdout == f"{words} inherits its policy\n"
    assert effective_policy(alias_named("digits", "production")).rules.level == "backward"
    assert run("policy", "unset", *where).exit_code == 1


def test_a_text_keeps_its_comments_and_makes_no_second_revision(run, alias, layer):
    set_layer(run, layer, "digits")
    layer.write_text(LAYER.replace("# Ask Ann.\n", ""))
    said = set_layer(run, layer, "digits")

    assert said == "model digits is guarded by layer:1\n"
    assert PolicyRevision.objects.get(policy__name="layer").text == LAYER


def test_everything_is_set_and_never_unset(run, alias):
    make.a_policy_revision("strict")

    done = run("policy", "set", "strict:1", "--everything", "classification")
    refused = run("policy", "unset", "--everything", "classification")

    assert done.exit_code == 0, done.stderr
    assert str(PolicyChoice.objects.get().policy_revision) == "strict:1"
    assert (refused.exit_code, "nothing_wider" in refused.stderr) == (1, True)


def test_an_alias_shows_where_each_rule_comes_from(run, alias, layer):
    set_layer(run, layer, "digits")

    table = run("policy", "show", "digits@production").stdout
    document = json.loads(run("policy", "show", "digits@production", "--format", "json").stdout)

    added = next(line for line in table.splitlines() if " no group left behind " in line)
    assert added.endswith("model digits (layer:1)")
    assert "class=*&ink=*" in added
    flips = next(line for line in table.splitlines() if " cumulative flips " in line)
    assert "not at this level" in flips
    assert flips.endswith("everything classification (default-classification:1)")
    assert "level       full (from model digits)" in table
    assert document["effective_policy"]["origins"]["level"] == "model digits"


def test_a_revision_shows_what_each_rule_promises(run, alias, layer):
    set_layer(run, layer, "digits")

    shown = run("policy", "show", "layer:1").stdout

    assert "inherits    yes" in shown
    assert "backward" in next(line for line in shown.splitlines() if "no group" in line)


def test_without_a_reference_it_shows_what_is_set_where(run, alias, layer):
    set_layer(run, layer, "digits")

    table = run("policy", "show").stdout
    listed = json.loads(run("policy", "show", "--format", "json").stdout)

    assert "model digits" in table
    assert [one["policy"] for one in listed] == ["default-classification:1", "layer:1"]


def test_a_model_joins_a_group_and_leaves_it(run, alias):
    assert run("policy", "group", "digits", "vision").stdout == "digits belongs to vision\n"
    assert run("policy", "group", "digits").stdout == "digits belongs to no group\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["set"],
        ["set", "layer:1"],
        ["set", "digits", "layer"],
        ["set", "layer:1", "--group", "vision"],
        ["set", "layer:1", "--task", "classification"],
        ["set", "layer:1", "--group", "g", "--task", "t", "--everything", "t"],
        ["set", "digits", "layer:1", "--everything", "classification"],
        ["set", "layer:1", "--everything", "detection"],
        ["set", "layer:1", "--everything", "a/b"],
        ["unset"],
        ["unset", "digits", "production"],
        ["unset", "digits@"],
        ["lint", "nothing.yaml"],
        ["show", "digits@gone"],
    ],
)
def test_a_command_that_makes_no_sense_changes_nothing(run, alias, arguments):
    before = list(PolicyChoice.objects.values_list())

    assert run("policy", *arguments).exit_code == 2
    assert list(PolicyChoice.objects.values_list()) == before


@pytest.fixture
def policy_file(tmp_path):
    path = tmp_path / "strict.json"
    path.write_text(json.dumps(make.a_policy_document()))
    return path


def test_lint_says_whether_a_document_is_a_policy(run, registry, policy_file):
    good = run("policy", "lint", policy_file)
    document = json.loads(policy_file.read_text())
    policy_file.write_text(json.dumps(document | {"rules": []}))
    bad = run("policy", "lint", policy_file)

    assert good.exit_code == 0, good.stderr
    assert "a policy for classification" in good.stdout
    assert bad.exit_code == 1
    assert "invalid_policy" in bad.stderr
    assert not PolicyRevision.objects.exists()


def test_a_policy_is_set_from_a_file_and_again_without_another_revision(run, alias, policy_file):
    first = run("policy", "set", "digits@production", "--file", policy_file, "--name", "strict")
    again = run("policy", "set", "digits@production", "--file", policy_file, "--name", "strict")

    assert first.exit_code == again.exit_code == 0, again.stderr
    assert first.stdout == again.stdout == "digits@production is guarded by strict:1\n"
    assert str(PolicyChoice.objects.get(scope="alias").policy_revision) == "strict:1"


def test_a_policy_is_set_by_its_name_and_shown(run, alias):
    revision = make.a_policy_revision("strict")
    make.a_pin(alias, make.a_set_revision("held-out"))

    done = run("policy", "set", "digits@production", "strict:1")
    shown = run("policy", "show", "digits@production")
    document = json.loads(run("policy", "show", "strict:1", "--format", "json").stdout)

    assert done.exit_code == 0, done.stderr
    assert "strict:1" in shown.stdout
    assert "held-out:1" in shown.stdout
    assert "negative flips" in shown.stdout
    assert document == {
        "policy": document["policy"] | {"document": revision.document},
        "pins": None,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["digits@production"],
        ["digits", "production", "strict:1"],
        ["strict:1"],
        ["digits@production", "strict:1", "--name", "strict"],
        ["digits@production", "nothing:1"],
    ],
)
def test_a_policy_that_is_not_there_guards_nothing(run, alias, arguments):
    assert run("policy", "set", *arguments).exit_code == 2


def test_a_revision_is_found_by_its_document(registry):
    old, new = make.a_policy_document(), make.a_policy_document()
    first, second = registry.add_policy("strict", old), registry.add_policy("strict", new)

    assert registry.add_policy("strict", old) == first != second
    with pytest.raises(RefusedError) as caught:
        registry.add_policy("strict", old | {"rules": []})
    assert caught.value.code == "invalid_policy"
