"""A candidate that fails is repaired by an adapter, which passes the same gate or does not."""

import io

import numpy as np
import pytest
from celery import current_app

from registry.audit.models import LedgerEntry
from registry.catalog.models import LineageEdge, ModelVersion
from registry.core import leases
from registry.core.data import artifact_store
from registry.core.dispatch import TaskName
from registry.core.errors import (
    ConflictError,
    IllegalTransitionError,
    InvalidInputError,
    UnknownObjectError,
)
from registry.core.leases import WorkState
from registry.core.store import Stored
from registry.evaluation.models import Outputs
from registry.evaluation.services.add_revision import add_revision
from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.services import adapters
from registry.upgrades.services.adapters import request_adapter
from registry.upgrades.services.gates import pin_set
from registry.upgrades.services.withdraw import withdraw
from tests.builders import toy
from tests.builders.lines import Line, an_artifact

pytestmark = pytest.mark.django_db


def a_pool(line: Line, *, seed: int = 2, rows: int = 300, name: str = "pool", task: str = ""):
    """Return a ready set that judges nothing."""
    task = task or line.model.task
    revision = line.queue.act(
        add_revision,
        name=name,
        task=task,
        artifact=an_artifact(toy.an_evaluation_set(task, rows, seed)),
        actor=line.person,
    )
    line.queue.settle()
    revision.refresh_from_db()
    return revision


def serving(queue) -> Line:
    """Return a line whose old encoder serves."""
    line = Line(queue)
    line.promote(line.judge(toy.encoder("old")))
    return line


def ask(line: Line, upgrade: Upgrade, revision) -> AdapterFit:
    return line.queue.act(
        request_adapter, upgrade_id=upgrade.pk, revision=revision, actor=line.person
    )


@pytest.mark.process
def test_an_independent_candidate_is_adapted_judged_promoted_and_the_gallery_answers(queue):
    line = serving(queue)
    gallery = line.gallery()
    failed = line.judge(toy.encoder("independent"))
    fit = ask(line, failed, a_pool(line))

    queue.settle()

    fit.refresh_from_db()
    made = fit.made
    upgrade = Upgrade.objects.get(candidate=made)
    assert failed.verdict.outcome == "failed"
    assert (fit.work_state, fit.error_code) == (WorkState.DONE, "")
    assert made.state == ModelVersion.State.READY
    assert {(e.relation, e.parent) for e in made.parent_edges.all()} == {
        (LineageEdge.Relation.ADAPTER_OF, failed.candidate),
        (LineageEdge.Relation.COMPATIBLE_WITH, line.alias.version),
    }
    assert "pool:1" in made.card
    assert "held out" in made.card
    assert upgrade.alias == line.alias
    assert upgrade.verdict.outcome == "passed", upgrade.verdict.results
    line.promote(upgrade)
    gallery.refresh_from_db()
    assert line.alias.version == made
    assert gallery.live_view.encoder == made
    assert [tried["name"] for tried in fit.result["tried"]] == [
        "procrustes",
        "low_rank_affine",
        "residual_mlp",
    ]


@pytest.mark.process
def test_asked_twice_it_is_fitted_once(queue):
    line = serving(queue)
    failed, pool = line.judge(toy.encoder("independent")), a_pool(line)
    first = ask(line, failed, pool)
    queue.settle()

    again = ask(line, failed, pool)
    queue.settle()

    assert again.pk == first.pk
    assert AdapterFit.objects.count() == 1
    assert ModelVersion.objects.filter(parent_edges__relation="adapter_of").count() == 1
    assert LedgerEntry.objects.filter(action="upgrade.adapter_fitted").count() == 1


def some_result(made: dict) -> dict:
    figures = {"retained": 0.9, "cosine": 0.9}
    return {
        "manifest": made,
        "method": "procrustes",
        "tried": [{"name": "procrustes"} | figures],
        "stay_old": {"name": "stay_old"} | figures,
        "fitted": 150,
        "held_out": 50,
        "parameters": 12,
        "difference": 0.0,
    }


@pytest.mark.process
def test_a_worker_that_lost_its_lease_registers_nothing(queue):
    line = serving(queue)
    failed, pool = line.judge(toy.encoder("independent")), a_pool(line)
    fit = ask(line, failed, pool)
    run_all_but_the_fit(queue)
    lost = adapters.claim(fit_id=fit.pk)
    leases.release(AdapterFit, lost.claim)
    held = adapters.claim(fit_id=fit.pk)
    stored, manifest = some_graph()

    told = adapters.record(job=lost, graph=stored, result=some_result(manifest))

    assert told is False
    assert not ModelVersion.objects.filter(parent_edges__relation="adapter_of").exists()
    assert adapters.record(job=held, graph=stored, result=some_result(manifest)) is True
    assert ModelVersion.objects.filter(parent_edges__relation="adapter_of").count() == 1


def some_graph() -> tuple[Stored, dict]:
    """Return a stored graph of the right form, and its manifest."""
    graph, manifest = toy.encoder("compatible", jitter=5)
    return artifact_store().write([graph], max_bytes=1 << 30), manifest


def run_all_but_the_fit(queue) -> None:
    """Run the work that waits; messages about fits are lost, as if their worker was killed."""
    while queue.sent:
        name, args = queue.sent.popleft()
        if name != TaskName.FIT_ADAPTER:
            queue.act(lambda task=current_app.tasks[name], args=args: task(*args))


@pytest.mark.process
def test_a_fit_whose_message_was_lost_is_sent_again(queue):
    line = serving(queue)
    fit = ask(line, line.judge(toy.encoder("independent")), a_pool(line))
    run_all_but_the_fit(queue)

    queue.act(adapters.sweep)
    queue.settle()

    fit.refresh_from_db()
    assert fit.work_state == WorkState.DONE


@pytest.mark.process
def test_outputs_that_failed_fail_the_fit_and_a_second_request_tries_again(queue):
    line = serving(queue)
    failed, pool = line.judge(toy.encoder("independent")), a_pool(line)
    fit = ask(line, failed, pool)
    broken = Outputs.objects.filter(version=failed.candidate, set_revision=pool)
    broken.update(work_state=WorkState.FAILED, error_code="run_failed")
    queue.settle()
    fit.refresh_from_db()
    assert (fit.work_state, fit.error_code) == (WorkState.FAILED, "outputs_missing")
    broken.update(work_state=WorkState.QUEUED, error_code="")
    queue.act(lambda: current_app.tasks[TaskName.COMPUTE_OUTPUTS](broken.get().pk))

    ask(line, failed, pool)
    queue.settle()

    fit.refresh_from_db()
    assert fit.work_state == WorkState.DONE


@pytest.mark.process
def test_an_adapter_does_not_pass_because_it_is_one(queue):
    """Fitted on noise, it is proposed like any other, and fails like any other."""
    line = serving(queue)
    failed = line.judge(toy.encoder("independent"))
    pool = a_pool(line, rows=100)
    fit = ask(line, failed, pool)
    run_all_but_the_fit(queue)
    old = Outputs.objects.get(version=line.alias.version, set_revision=pool)
    make_noise_of(old)

    queue.act(adapters.sweep)
    queue.settle()

    fit.refresh_from_db()
    assert fit.work_state == WorkState.DONE
    assert Upgrade.objects.get(candidate=fit.made).verdict.outcome == "failed"


def make_noise_of(outputs: Outputs) -> None:
    """Put noise in the place of every vector."""
    with np.load(artifact_store().path(outputs.file_digest), allow_pickle=False) as kept:
        arrays = dict(kept)
    rng = np.random.default_rng(0)
    arrays["outputs"] = rng.normal(size=arrays["outputs"].shape).astype(np.float32)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    stored = artifact_store().write([buffer.getvalue()], max_bytes=1 << 30)
    Outputs.objects.filter(pk=outputs.pk).update(file_digest=stored.digest)


@pytest.mark.process
def test_a_set_that_judges_the_alias_is_no_fitting_set(queue):
    line = serving(queue)
    failed = line.judge(toy.encoder("independent"))
    judging = line.alias.gate.pins.get().set_revision
    same_bytes = a_pool(line, seed=1, rows=toy.ROWS, name="copy")
    same_samples = a_pool(line, seed=1, rows=toy.ROWS - 1, name="most-of-it")

    for revision in (judging, same_bytes):
        with pytest.raises(ConflictError) as refused:
            ask(line, failed, revision)
        assert refused.value.code == "set_judges_the_alias"
        assert refused.value.refusal.action == "upgrade.fit_adapter"
    fit = ask(line, failed, same_samples)
    queue.settle()
    fit.refresh_from_db()
    assert (fit.work_state, fit.error_code) == (WorkState.FAILED, "set_judges_the_alias")
    assert fit.made is None


@pytest.mark.process
def test_what_an_adapter_was_fitted_on_judges_no_candidate_of_the_alias(queue):
    line = serving(queue)
    failed, pool = line.judge(toy.encoder("independent")), a_pool(line)
    ask(line, failed, pool)

    with pytest.raises(ConflictError) as refused:
        pin_set(alias=line.alias, revision=pool, actor=line.person)

    assert refused.value.code == "set_was_fitted_on"


@pytest.mark.process
def test_what_cannot_be_repaired_is_refused_with_its_code(queue):
    line = serving(queue)
    pool = a_pool(line)
    failed = line.judge(toy.encoder("independent"))
    other = Line(queue, task="classification", name="kinds")
    classes = other.judge(toy.classifier(0.1))
    first = Line(queue, name="first")
    alone = first.judge(toy.encoder("old"))
    waiting = line.push(toy.encoder("independent", jitter=1))
    wrong_task = a_pool(other, name="labels")

    def code(upgrade_id, revision, error):
        with pytest.raises(error) as refused:
            request_adapter(upgrade_id=upgrade_id, revision=revision, actor=line.person)
        return refused.value.code

    assert code(10**6, pool, UnknownObjectError) == "unknown_upgrade"
    assert code(classes.pk, pool, InvalidInputError) == "not_an_encoder"
    assert code(alone.pk, pool, ConflictError) == "alias_empty"
    assert code(waiting.pk, pool, ConflictError) == "version_not_ready"
    assert code(failed.pk, wrong_task, InvalidInputError) == "task_mismatch"
    withdraw(upgrade_id=failed.pk, actor=line.person)
    assert code(failed.pk, pool, IllegalTransitionError) == "illegal_transition"
