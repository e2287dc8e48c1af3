"""What ``docs/policies.md`` shows is what the registry takes."""

import re

import pytest

from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from compat.policy_documents import merge
from registry.upgrades.policy_problems import InvalidPolicyError, require_policy, schema
from registry.upgrades.policy_text import MAX_TEXT_BYTES, read_written
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "policies.md").read_text()
WHOLE, LAYER = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
DEFINED = schema()["$defs"]


def document_of(text):
    written = read_written(text)
    require_policy(written.document, written)
    return written.document


@pytest.mark.parametrize("text", [WHOLE, LAYER], ids=["whole", "layer"])
def test_the_examples_are_policies(text):
    assert document_of(text)["task"] == "classification"


def test_the_layer_does_what_its_comments_say():
    found = merge([("wide", DEFAULTS[Task.CLASSIFICATION]), ("narrow", document_of(LAYER))])

    require_policy(found.document)
    names = [rule["name"] for rule in found.document["rules"]]
    assert names[0] == "negative flips"
    assert found.document["rules"][0]["threshold"] == 0.002
    assert names[-1] == "speed kept"
    assert "score scale kept" not in names


def test_the_examples_show_every_key_but_those_for_scores_and_galleries():
    whole, layer = document_of(WHOLE), document_of(LAYER)
    shown = {key for rule in whole["rules"] for key in rule}

    assert set(DEFINED["policy"]["properties"]) - set(whole) == {"coverage", "cut_off"}
    assert set(DEFINED["layer"]["properties"]) - set(whole) == {
        "inherits",
        "without",
        "coverage",
    } | {"cut_off"}
    assert {"inherits", "without"} <= set(layer)
    assert shown == set(DEFINED["rule"]["properties"])


def keys_under(heading, until):
    section = PAGE.partition(heading)[2].partition(until)[0]
    firsts = (line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    return {key for first in firsts for key in re.findall(r"`(\w+)`", first)}


def test_the_tables_have_every_key():
    policy, layer = DEFINED["policy"]["properties"], DEFINED["layer"]["properties"]

    assert keys_under("## Keys\n", "\nA rule:\n") == {*policy, *layer}
    assert keys_under("\nA rule:\n", "\nA rule blocks") == set(DEFINED["rule"]["properties"])


def test_the_limit_is_the_one_of_the_code():
    assert f"up to {MAX_TEXT_BYTES:,} bytes" in PAGE


def test_the_errors_are_those_that_are_told():
    text = "task: classification\ninherits: true\nrules:\n  - name: x\n    measurement: nfr\n"
    text += "    # half\n    bound: below\n    treshold: 1\n    threshold: 0.5\n"

    with pytest.raises(InvalidPolicyError) as refusal:
        document_of(text)

    told = PAGE.rpartition("```\nline")[2].partition("```")[0]
    assert [str(problem) for problem in refusal.value.problems] == f"line{told}".splitlines()
