"""Candidates to repair, and adapters as the workers leave them, without a child process."""

from typing import Any

from compat.policy import Task
from compat.verdict import Outcome
from registry.catalog.models import ModelVersion
from registry.core.data import artifact_store
from registry.core.store import Stored
from registry.evaluation.models import SetRevision
from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.services import adapters
from tests.builders import registry as make


def an_unpassed_upgrade(outcome: Outcome = Outcome.FAILED, name: str = "") -> Upgrade:
    """Return the judged upgrade of an encoder that does not pass; its alias has an incumbent."""
    alias = make.an_alias(make.a_model(name, task=Task.EMBEDDING))
    make.a_promoted_upgrade(alias)
    return make.a_judged_upgrade(alias, outcome=outcome)


def a_pool(name: str = "", **changes: Any) -> SetRevision:
    """Return a set of embeddings that judges nothing."""
    return make.a_set_revision(name, **({"task": Task.EMBEDDING} | changes))


def a_fit(
    upgrade: Upgrade | None = None, pool: SetRevision | None = None, *, side: str = "query"
) -> AdapterFit:
    """Return a queued fit whose outputs are still to come."""
    upgrade = upgrade or an_unpassed_upgrade()
    return adapters.request_adapter(
        upgrade_id=upgrade.pk, revision=pool or a_pool(), actor=upgrade.created_by, side=side
    )


def a_result(fit: AdapterFit) -> dict[str, Any]:
    """Return what the child returns."""
    mapped, into = fit.upgrade.candidate.manifest, fit.incumbent.manifest
    if fit.side == AdapterFit.Side.GALLERY:
        mapped, into = into, mapped
    retained = {"procrustes": 0.8, "low_rank_affine": 0.5, "residual_mlp": 0.7, "stay_old": 0.4}
    figures = [{"name": n, "retained": r, "cosine": r + 0.1} for n, r in retained.items()]
    return {
        "manifest": mapped | {"output": into["output"] | {"name": f"adapted_{fit.pk}"}},
        "method": "procrustes",
        "tried": figures[:3],
        "stay_old": figures[3],
        "fitted": 750,
        "held_out": 250,
        "parameters": 1040,
        "difference": 2e-7,
    }


def a_graph() -> Stored:
    """Return stored bytes that look like a graph."""
    return artifact_store().write([make.model_bytes()], max_bytes=1 << 20)


def finish(fit: AdapterFit) -> AdapterFit:
    """Do what the workers do with a fit; the version that it makes is inspected."""
    make.compute_outputs()
    job = adapters.claim(fit_id=fit.pk)
    assert job is not None
    transform = a_graph() if fit.side == AdapterFit.Side.GALLERY else None
    assert adapters.record(job=job, graph=a_graph(), result=a_result(fit), transform=transform)
    fit.refresh_from_db()
    for version in filter(None, (fit.rewriter, fit.made)):
        make.inspect(version, ModelVersion.State.READY)
    return fit
