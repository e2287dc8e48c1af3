"""Outputs are checked by the very same measures and policy, and nothing is registered."""

import numpy as np
import pytest

from registry.catalog.models import ModelVersion
from registry.core.errors import RegistryError
from registry.evaluation.models import Comparison, Outputs
from registry.upgrades.models import Check, Upgrade
from registry.upgrades.services.checks import request_check
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.policy_scopes import set_policy
from tests.builders import toy
from tests.builders.lines import Line, an_artifact

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(queue):
    line = Line(queue, task="classification", rows=ROWS)
    line.promote(line.judge(toy.classifier(0.0)))
    return line


ROWS = 1000


def predictions(wrong=0, rows=ROWS):
    labels = toy.samples(rows, seed=1)[1].copy()
    labels[:wrong] = np.where(labels[:wrong] == "a", "b", "a")
    return toy.npz(id=toy.ids(rows)[::-1], prediction=labels[::-1])


def check(line, upload, **changes):
    revision = line.alias.gate.pins.get().set_revision
    values = {"alias": line.alias, "revision": revision, "actor": line.person}
    found = line.queue.act(request_check, upload=an_artifact(upload), **(values | changes))
    line.queue.settle()
    found.refresh_from_db()
    return found


def test_good_outputs_pass_and_register_nothing(line):
    before = [m.objects.count() for m in (ModelVersion, Upgrade, Outputs, Comparison)]

    checked = check(line, predictions())

    assert (checked.work_state, checked.outcome) == ("done", "passed"), checked.error_detail
    assert before == [m.objects.count() for m in (ModelVersion, Upgrade, Outputs, Comparison)]


def test_outputs_that_break_much_fail_with_the_numbers(line):
    checked = check(line, predictions(wrong=150))

    assert checked.outcome == "failed"
    flips = next(r for r in checked.results if r["rule"] == "negative flips")
    assert flips["value"] > 0.1
    negative = [flip for flip in checked.flips if flip["kind"] == "negative"]
    assert len(negative) == round(flips["value"] * flips["support"])


@pytest.mark.parametrize(
    ("upload", "code"),
    [
        (predictions(rows=ROWS - 1), "ids_missing"),
        (predictions(rows=ROWS + 1), "ids_extra"),
        (b"PK\x03\x04 no archive", "not_a_table"),
    ],
)
def test_outputs_that_do_not_fit_say_why(line, upload, code):
    checked = check(line, upload)

    assert (checked.work_state, checked.error_code, checked.outcome) == ("failed", code, "")


def test_a_set_that_does_not_judge_the_alias_is_refused(line):
    from tests.builders import registry as build

    with pytest.raises(RegistryError) as refused:
        check(line, predictions(), revision=build.a_set_revision())

    assert refused.value.code == "set_not_pinned"
    assert not Check.objects.exists()


def test_a_manifest_with_weights_is_refused(line):
    with pytest.raises(RegistryError) as refused:
        check(line, predictions(), manifest=toy.classifier(0.0)[1])

    assert refused.value.code == "task_mismatch"


def test_a_check_holds_outputs_against_earlier_versions_and_names_what_cannot_be_measured(line):
    first = line.alias.version
    line.promote(line.judge(toy.classifier(0.02)))
    rule = {"name": "speed", "measurement": "latency_ratio", "bound": "at_most", "threshold": 2}
    document = {
        "task": "classification",
        "inherits": True,
        "level": "backward_transitive",
        "rules": [rule | {"advisory": True}],
    }
    revision = add_policy_revision(name="chain", document=document, actor=line.person)
    line.queue.act(set_policy, alias=line.alias, revision=revision, actor=line.person)

    checked = check(line, predictions())

    assert checked.outcome == "passed", checked.results
    rules = {(r["rule"], r["against"]): r for r in checked.results}
    assert rules["negative flips", str(first)]["outcome"] == "passed"
    assert rules["cumulative flips", ""]["outcome"] == "passed"
    assert rules["speed", ""]["reason"] == "undefined: recorded_outputs"
