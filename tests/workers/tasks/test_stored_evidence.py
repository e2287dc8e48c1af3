"""Verdicts rest on stored outputs: models are not run again, and changed bytes are found."""

import pytest

from registry.core.data import artifact_store
from registry.evaluation.models import Comparison, Outputs
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.policy_scopes import set_policy
from tests.builders import toy
from tests.builders.lines import Line
from tests.builders.registry import a_policy_document

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(queue):
    line = Line(queue, task="classification", rows=1500)
    line.promote(line.judge(toy.classifier(0.05)))
    return line


def blocking(upgrade):
    return [r["reason"] for r in upgrade.verdict.results if r["outcome"] != "passed"]


def perturb(digest):
    path = artifact_store().path(digest)
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_an_upgrade_is_judged_and_judged_again_without_the_incumbents_artifact(line):
    artifact_store().path(line.alias.version.artifact_id).unlink()

    judged = line.judge(toy.classifier(0.0))
    assert judged.verdict.outcome == "passed", blocking(judged)
    revision = add_policy_revision(
        name="other", document=a_policy_document("classification"), actor=line.person
    )
    line.queue.act(set_policy, alias=line.alias, revision=revision, actor=line.person)
    line.queue.settle()

    judged.refresh_from_db()
    assert (judged.verdict.number, judged.verdict.outcome) == (2, "passed")
    assert Comparison.objects.filter(new_digest=judged.candidate.digest).count() == 1


def test_one_changed_byte_of_stored_outputs_is_found_and_nothing_passes(line):
    perturb(Outputs.objects.get(version=line.alias.version).file_digest)

    judged = line.judge(toy.classifier(0.0))

    assert judged.verdict.outcome == "errored"
    assert "artifact_corrupt" in blocking(judged)[0]


def test_one_changed_byte_of_an_uploaded_model_is_found_before_it_is_run(line):
    upgrade = line.push(toy.classifier(0.0))
    perturb(upgrade.candidate.artifact_id)
    line.queue.settle()

    upgrade.candidate.refresh_from_db()
    upgrade.refresh_from_db()
    assert (upgrade.candidate.state, upgrade.candidate.error_code) == (
        "refused",
        "artifact_corrupt",
    )
    assert upgrade.state == "refused"


def test_a_model_that_fails_harms_nothing_but_its_own_upgrade(line):
    graph, manifest = toy.classifier(0.0)
    broken = line.push((graph, manifest | {"output": {**manifest["output"], "name": "other"}}))
    good = line.push(toy.classifier(0.001))
    line.queue.settle()

    broken.refresh_from_db()
    good.refresh_from_db()
    assert broken.state == "refused"
    assert good.verdict.outcome == "passed"
