"""An adapter repairs a candidate that does not pass; its version is judged like any other."""

import pytest

from compat.policy import Task
from registry.audit.models import LedgerEntry
from registry.catalog.models import LineageEdge, ModelVersion
from registry.core import leases
from registry.core.errors import (
    ConflictError,
    IllegalTransitionError,
    InvalidInputError,
    RegistryError,
    UnknownObjectError,
)
from registry.core.leases import WorkState
from registry.evaluation.models import Outputs
from registry.evaluation.services.add_revision import add_revision
from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.repairs import figures_of, fitting_sets, may_be_repaired
from registry.upgrades.services import adapters
from registry.upgrades.services.adapters import request_adapter
from registry.upgrades.services.gates import pin_set
from registry.upgrades.services.propose import propose
from registry.upgrades.services.withdraw import withdraw
from registry.upgrades.states import State
from tests.builders import registry as make
from tests.builders.adapters import (
    a_fit,
    a_graph,
    a_pool,
    a_result,
    an_unpassed_upgrade,
    finish,
)

pytestmark = pytest.mark.django_db


def made_versions():
    return ModelVersion.objects.filter(parent_edges__relation="adapter_of")


def test_what_was_fitted_is_a_version_with_its_lineage_and_an_upgrade_of_its_own():
    failed, pool = an_unpassed_upgrade(), a_pool("pool")

    fit = finish(a_fit(failed, pool))

    upgrade = Upgrade.objects.get(candidate=fit.made)
    assert (fit.work_state, fit.incumbent) == (WorkState.DONE, failed.alias.version)
    assert {(e.relation, e.parent) for e in fit.made.parent_edges.all()} == {
        (LineageEdge.Relation.ADAPTER_OF, failed.candidate),
        (LineageEdge.Relation.COMPATIBLE_WITH, failed.alias.version),
    }
    assert (upgrade.alias, upgrade.state, upgrade.verdict) == (
        failed.alias,
        State.EVALUATING,
        None,
    )
    for said in ("pool:1", "750 pairs", "250 pairs", "orthogonal Procrustes", "0.800", "0.400"):
        assert said in fit.made.card
    entry = LedgerEntry.objects.get(action="upgrade.adapter_fitted")
    assert entry.subject == f"upgrade:{failed.pk}"
    assert entry.body["version"] == str(fit.made)
    assert entry.body["upgrade"] == upgrade.pk


def test_asked_twice_it_is_one_fit_and_one_entry():
    failed, pool = an_unpassed_upgrade(), a_pool()

    first, again = a_fit(failed, pool), a_fit(failed, pool)

    assert first.pk == again.pk
    assert LedgerEntry.objects.filter(action="upgrade.fit_adapter").count() == 1


def test_it_waits_for_the_outputs_of_both_versions_and_is_sent_when_they_are_there(queue):
    failed, pool = an_unpassed_upgrade(), a_pool()
    fit = queue.act(a_fit, upgrade=failed, pool=pool)
    queue.sent.clear()

    queue.act(adapters.resend_ready)
    assert adapters.claim(fit_id=fit.pk) is None
    assert not [name for name, *_ in queue.sent if name == "fit_adapter"]
    make.compute_outputs()
    queue.act(adapters.resend_ready)

    assert [args for name, args in queue.sent if name == "fit_adapter"] == [(fit.pk,)]
    assert set(Outputs.objects.filter(set_revision=pool).values_list("version", flat=True)) == {
        failed.candidate_id,
        failed.alias.version_id,
    }


def test_a_worker_that_lost_its_lease_registers_nothing():
    fit = a_fit()
    make.compute_outputs()
    lost = adapters.claim(fit_id=fit.pk)
    leases.release(AdapterFit, lost.claim)
    held = adapters.claim(fit_id=fit.pk)

    told = adapters.record(job=lost, graph=a_graph(), result=a_result(fit))

    assert told is False
    assert not made_versions().exists()
    assert adapters.record(job=held, graph=a_graph(), result=a_result(fit)) is True
    assert made_versions().count() == 1


def test_a_fit_whose_worker_was_killed_is_sent_again_and_given_up_after_three(queue):
    fit = a_fit()
    make.compute_outputs()
    sent = []
    for _ in range(leases.MAX_ATTEMPTS):
        assert adapters.claim(fit_id=fit.pk) is not None
        assert queue.act(adapters.sweep) == 0  # its lease still runs
        AdapterFit.objects.update(lease_until="2020-01-01T00:00:00Z")
        sent.append(queue.act(adapters.sweep))

    assert sent == [1, 1, 0]

    fit.refresh_from_db()
    assert (fit.work_state, fit.error_code) == (WorkState.FAILED, "gave_up")


def test_the_same_graph_made_again_is_the_version_that_is_there():
    failed = an_unpassed_upgrade()
    fits = [a_fit(failed), a_fit(failed)]
    make.compute_outputs()
    graph, result = a_graph(), a_result(fits[0])

    for fit in fits:
        job = adapters.claim(fit_id=fit.pk)
        assert adapters.record(job=job, graph=graph, result=result)

    first, second = AdapterFit.objects.order_by("pk")
    assert first.made == second.made
    assert Upgrade.objects.filter(candidate=first.made).count() == 1


def test_outputs_that_failed_fail_the_fit_and_asking_again_tries_again():
    failed, pool = an_unpassed_upgrade(), a_pool()
    fit = a_fit(failed, pool)
    rows = Outputs.objects.filter(set_revision=pool, version=failed.candidate)
    rows.update(work_state=WorkState.FAILED, error_code="run_failed", error_detail="it broke")
    make.compute_outputs()

    assert adapters.claim(fit_id=fit.pk) is None
    fit.refresh_from_db()
    assert (fit.work_state, fit.error_code) == (WorkState.FAILED, "outputs_missing")
    assert "run_failed: it broke" in fit.error_detail
    rows.update(work_state=WorkState.QUEUED, error_code="")

    assert finish(a_fit(failed, pool)).work_state == WorkState.DONE


def test_a_set_that_judges_the_alias_is_no_fitting_set_under_whatever_name():
    failed = an_unpassed_upgrade()
    judging = failed.alias.gate.pins.get().set_revision
    copy = add_revision(
        name="copy", task=Task.EMBEDDING, artifact=judging.artifact, actor=failed.created_by
    )
    type(copy).objects.filter(pk=copy.pk).update(state="ready")
    copy.refresh_from_db()
    pool = a_pool()

    for revision in (judging, copy):
        with pytest.raises(ConflictError) as refused:
            a_fit(failed, revision)
        assert refused.value.code == "set_judges_the_alias"
        assert refused.value.refusal.action == "upgrade.fit_adapter"
        assert refused.value.refusal.subject == f"upgrade:{failed.pk}"
    assert list(fitting_sets(failed)) == [pool]


def test_the_worker_is_told_which_samples_judge():
    failed = an_unpassed_upgrade()
    judging = failed.alias.gate.pins.get().set_revision
    fit = a_fit(failed)
    make.compute_outputs()

    job = adapters.claim(fit_id=fit.pk)

    assert job.judged == {str(judging): judging.canonical_digest}


def test_what_an_adapter_was_fitted_on_judges_no_candidate_of_the_alias():
    failed, pool = an_unpassed_upgrade(), a_pool()
    fit = a_fit(failed, pool)

    with pytest.raises(ConflictError) as refused:
        pin_set(alias=failed.alias, revision=pool, actor=failed.created_by)

    assert refused.value.code == "set_was_fitted_on"
    AdapterFit.objects.filter(pk=fit.pk).update(work_state=WorkState.FAILED)
    assert pin_set(alias=failed.alias, revision=pool, actor=failed.created_by)


def no_upgrade():
    return 10**6, a_pool()


def a_classifier():
    upgrade = make.a_judged_upgrade()
    return upgrade.pk, a_pool()


def recorded_outputs():
    failed = an_unpassed_upgrade()
    recorded = make.a_version(failed.alias.model, recorded=True)
    upgrade = propose(alias=failed.alias, candidate=recorded, actor=failed.created_by)
    return upgrade.pk, a_pool()


def not_inspected():
    failed = an_unpassed_upgrade()
    waiting = make.an_upgrade(failed.alias, candidate_state=ModelVersion.State.INSPECTING)
    return waiting.pk, a_pool()


def no_incumbent():
    upgrade = make.a_judged_upgrade(make.an_alias(make.a_model(task=Task.EMBEDDING)))
    return upgrade.pk, a_pool()


def another_task():
    return an_unpassed_upgrade().pk, make.a_set_revision()


def a_set_not_inspected():
    return an_unpassed_upgrade().pk, a_pool(state="inspecting")


def a_closed_upgrade():
    failed = an_unpassed_upgrade()
    withdraw(upgrade_id=failed.pk, actor=failed.created_by)
    return failed.pk, a_pool()


REFUSED: dict[object, tuple[type[RegistryError], str]] = {
    no_upgrade: (UnknownObjectError, "unknown_upgrade"),
    a_classifier: (InvalidInputError, "not_an_encoder"),
    recorded_outputs: (InvalidInputError, "encoder_without_weights"),
    not_inspected: (ConflictError, "version_not_ready"),
    no_incumbent: (ConflictError, "alias_empty"),
    another_task: (InvalidInputError, "task_mismatch"),
    a_set_not_inspected: (ConflictError, "set_not_ready"),
    a_closed_upgrade: (IllegalTransitionError, "illegal_transition"),
}


@pytest.mark.parametrize("situation", REFUSED, ids=lambda s: s.__name__)
def test_what_cannot_be_repaired_is_refused_with_its_code(situation):
    error, code = REFUSED[situation]
    upgrade_id, pool = situation()

    with pytest.raises(error) as refused:
        request_adapter(upgrade_id=upgrade_id, revision=pool, actor=make.a_user())

    assert refused.value.code == code
    assert not AdapterFit.objects.exists()


def test_only_a_runnable_encoder_that_does_not_pass_is_offered_a_repair():
    failed, unsure = an_unpassed_upgrade(), an_unpassed_upgrade("inconclusive")
    passed = make.a_judged_upgrade(failed.alias)
    first = make.a_judged_upgrade(make.an_alias(make.a_model(task=Task.EMBEDDING)))

    offered = [may_be_repaired(u) for u in (failed, unsure, passed, first)]

    assert offered == [True, True, False, False]


def test_the_figures_are_those_that_were_measured_and_nothing_before():
    failed = an_unpassed_upgrade()
    fit = finish(a_fit(failed))
    (before, _) = figures_of(fit)
    assert (before.adapted, before.gain) == (None, None)

    make.judge(Upgrade.objects.get(candidate=fit.made))

    (mean, first_hit) = figures_of(fit)
    assert (mean.measure, first_hit.measure) == ("map", "hit_rate_at_1")
    assert mean.gain.value == pytest.approx(0.03)
    assert mean.gain.interval(0.95) == pytest.approx((0.02, 0.04))
