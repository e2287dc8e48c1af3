"""An upgrade is carried as far as the evidence goes, and no further."""

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from compat.verdict import Outcome
from registry.catalog.models import ModelVersion
from registry.catalog.services import inspection
from registry.core.dispatch import TaskName
from registry.core.immutable import ImmutableRowError
from registry.evaluation.models import Comparison, Outputs
from registry.evaluation.services.outputs import upload_recording
from registry.upgrades.models import Upgrade, Verdict
from registry.upgrades.services.advance import advance
from registry.upgrades.services.propose import propose
from registry.upgrades.services.withdraw import KEPT_OPEN, expire_untouched
from registry.upgrades.states import State
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


def blocking(upgrade):
    return [r for r in upgrade.verdict.results if r["outcome"] != "passed"]


def test_a_candidate_that_is_still_inspected_waits():
    upgrade = build.an_upgrade(candidate_state=ModelVersion.State.INSPECTING)

    assert advance(upgrade_id=upgrade.pk).state == State.EVALUATING
    assert not Outputs.objects.exists()


def test_a_refused_upload_closes_its_upgrade():
    upgrade = build.an_upgrade(candidate_state=ModelVersion.State.INSPECTING)
    job = inspection.claim(version_id=upgrade.candidate_id)
    inspection.refuse(job=job, code="external_data", detail="an initialiser lies elsewhere")

    assert advance(upgrade_id=upgrade.pk).state == State.REFUSED


def test_without_an_evaluation_set_the_verdict_is_inconclusive():
    upgrade = advance(upgrade_id=build.an_upgrade().pk)

    assert upgrade.verdict.outcome == Outcome.INCONCLUSIVE
    assert "no evaluation set" in blocking(upgrade)[0]["reason"]


def test_outputs_are_asked_for_once_and_then_the_comparison():
    alias = build.a_promoted_upgrade().alias
    upgrade = build.an_upgrade(alias)
    before = Outputs.objects.count()

    for _ in range(3):
        advance(upgrade_id=upgrade.pk)
    assert Outputs.objects.count() == before + 1
    assert not Comparison.objects.filter(new_digest=upgrade.candidate.digest).exists()

    build.compute_outputs()
    for _ in range(3):
        advance(upgrade_id=upgrade.pk)
    assert Comparison.objects.filter(new_digest=upgrade.candidate.digest).count() == 1


def test_a_first_version_is_judged_by_its_own_rules_and_the_null_test():
    upgrade = build.a_judged_upgrade()

    assert upgrade.verdict.kind == Verdict.Kind.FIRST_VERSION
    assert {r["rule"] for r in upgrade.verdict.results} == {
        "null test",
        "planted regression",
        "better than the majority class",
    }
    comparison = Comparison.objects.get()
    assert comparison.old_digest == comparison.new_digest


def test_outputs_that_failed_make_the_verdict_errored():
    upgrade = build.a_judged_upgrade(outcome=Outcome.ERRORED)

    assert upgrade.verdict.outcome == Outcome.ERRORED
    assert "outputs_not_finite" in blocking(upgrade)[0]["reason"]


def test_a_recorded_version_without_its_outputs_is_inconclusive():
    alias = build.an_alias()
    pin = build.a_pin(alias)
    candidate = build.a_version(alias.model, recorded=True)
    upgrade = propose(alias=alias, candidate=candidate, actor=candidate.created_by)

    judged = advance(upgrade_id=upgrade.pk)

    assert judged.verdict.outcome == Outcome.INCONCLUSIVE
    assert "outputs_missing" in blocking(judged)[0]["reason"]
    assert pin.set_revision.digest in str(judged.verdict.fingerprint)


def test_a_recording_that_comes_later_makes_the_verdict_stale_and_is_judged():
    alias = build.an_alias()
    pin = build.a_pin(alias)
    candidate = build.a_version(alias.model, recorded=True)
    upgrade = propose(alias=alias, candidate=candidate, actor=candidate.created_by)
    advance(upgrade_id=upgrade.pk)

    upload_recording(
        version=candidate,
        revision=pin.set_revision,
        artifact=build.an_artifact(build.table_bytes(), kind=build.Upload.TABLE),
        actor=candidate.created_by,
    )

    assert build.judge(upgrade).verdict.outcome == Outcome.PASSED


def test_a_failed_null_test_is_errored_whatever_was_measured(monkeypatch):
    result = build.a_comparison_result

    def doubtful(*args, **kwargs):
        return result(*args, **kwargs) | {
            "null_test": {"passed": False, "reason": "row 3 came out differently"}
        }

    monkeypatch.setattr(build, "a_comparison_result", doubtful)
    upgrade = build.an_upgrade()
    build.a_pin(upgrade.alias)

    advance(upgrade_id=upgrade.pk)
    build.compute_outputs()
    advance(upgrade_id=upgrade.pk)
    build.compare()
    judged = advance(upgrade_id=upgrade.pk)

    assert judged.verdict.outcome == Outcome.ERRORED
    assert "null_test_failed" in blocking(judged)[0]["reason"]


def test_a_verdict_is_written_once():
    verdict = build.a_judged_upgrade().verdict

    with pytest.raises(ImmutableRowError):
        verdict.save()
    with pytest.raises(DatabaseError, match="written once"), transaction.atomic():
        Verdict.objects.filter(pk=verdict.pk).update(outcome="passed")


def test_a_verdict_counts_the_use_of_the_set():
    upgrade = build.a_judged_upgrade()
    revision = upgrade.alias.gate.pins.get().set_revision
    assert revision.times_judged == 1


def test_there_is_one_upgrade_for_an_alias_and_a_candidate():
    upgrade = build.an_upgrade()

    again = propose(alias=upgrade.alias, candidate=upgrade.candidate, actor=upgrade.created_by)

    assert again.pk == upgrade.pk
    assert Upgrade.objects.count() == 1


def test_workers_define_every_task_that_may_be_asked_for():
    from celery import current_app

    import workers.tasks  # noqa: F401

    assert {name.value for name in TaskName} <= set(current_app.tasks)


def test_an_upgrade_that_nobody_touches_expires():
    fresh, old = build.an_upgrade(), build.a_judged_upgrade()
    Upgrade.objects.filter(pk=old.pk).update(changed_at=timezone.now() - KEPT_OPEN * 1.01)

    assert expire_untouched() == 1

    old.refresh_from_db()
    fresh.refresh_from_db()
    assert (old.state, fresh.state) == (State.WITHDRAWN, State.EVALUATING)
