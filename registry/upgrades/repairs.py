"""Reads of adapters: what was fitted for a candidate, and what was measured of it since."""

from dataclasses import dataclass

from django.db.models import QuerySet

from compat.measurement import Measurement
from compat.policy import Task
from compat.verdict import Outcome
from registry.catalog.models import ModelVersion
from registry.catalog.rewriting import meets_rewritten
from registry.core.leases import WorkState
from registry.evaluation.models import SetRevision
from registry.evaluation.selectors import comparison_of, measurements_of
from registry.upgrades.models import AdapterFit, EvaluationPin, Upgrade
from registry.upgrades.states import OPEN, State

MEASURES = ("map", "hit_rate_at_1")


@dataclass(frozen=True)
class RepairFigures:
    """One measure on one judging set, under each way of moving; None where it is not measured yet.

    Attributes:
        old_old: the incumbent on its own gallery: what users have today.
        untouched: the candidate on the incumbent's gallery.
        adapted: the adapted version on the incumbent's gallery.
        gain: adapted minus old_old, paired by query.
        re_embedded: the candidate on a gallery that is embedded anew.
    """

    evaluation_set: str
    measure: str
    old_old: Measurement | None
    untouched: Measurement | None
    adapted: Measurement | None
    gain: Measurement | None
    re_embedded: Measurement | None


def adapter_fits(upgrade: Upgrade) -> QuerySet[AdapterFit]:
    """Return the adapters that were asked for, newest first."""
    return (
        AdapterFit.objects.select_related(
            "upgrade__candidate__model",
            "upgrade__alias__model",
            "incumbent__model",
            "set_revision__evaluation_set",
            "made__model",
            "rewriter__model",
            "requested_by",
        )
        .filter(upgrade=upgrade)
        .order_by("-pk")
    )


def upgrade_made(fit: AdapterFit) -> Upgrade | None:
    """Return the upgrade to the adapted version, where one was made."""
    if fit.made_id is None:
        return None
    return (
        Upgrade.objects.select_related("verdict", "candidate__model")
        .filter(alias=fit.upgrade.alias_id, candidate=fit.made_id)
        .first()
    )


def fitting_sets(upgrade: Upgrade) -> QuerySet[SetRevision]:
    """Return what an adapter may be fitted on: ready sets of the task that judge nothing here."""
    pins = EvaluationPin.objects.filter(gate__alias=upgrade.alias_id)
    return (
        SetRevision.objects.select_related("evaluation_set")
        .filter(evaluation_set__task=Task.EMBEDDING, state=SetRevision.State.READY)
        .exclude(evaluation_set__in=pins.values("evaluation_set"))
        .exclude(artifact__in=pins.values("set_revision__artifact"))
        .order_by("evaluation_set__name", "-number")
    )


def may_be_repaired(upgrade: Upgrade) -> bool:
    """Whether an adapter is worth asking for: a runnable encoder that does not pass as it is."""
    candidate = upgrade.candidate
    return (
        upgrade.state in OPEN
        and candidate.model.task == Task.EMBEDDING
        and candidate.state == ModelVersion.State.READY
        and not candidate.is_recorded
        and not meets_rewritten(candidate)
        and upgrade.alias.version_id is not None
        and not (upgrade.state == State.JUDGED and upgrade.verdict.outcome == Outcome.PASSED)
    )


def figures_of(fit: AdapterFit) -> list[RepairFigures]:
    """Return what was measured of the adapted version beside the ways it competes with.

    From the stored comparisons on the sets that judge the alias; nothing is estimated here.
    """
    if fit.work_state != WorkState.DONE or fit.made is None:
        return []
    pins = EvaluationPin.objects.filter(gate__alias=fit.upgrade.alias_id)
    revisions = [pin.set_revision for pin in pins.select_related("set_revision__evaluation_set")]
    return [row for revision in revisions for row in _figures_on(fit, revision)]


def _figures_on(fit: AdapterFit, revision: SetRevision) -> list[RepairFigures]:
    adapted = _measured(fit.incumbent, fit.made, revision)
    plain = _measured(fit.incumbent, fit.upgrade.candidate, revision)
    return [
        RepairFigures(
            str(revision),
            measure,
            adapted.get(f"{measure}.old_old") or plain.get(f"{measure}.old_old"),
            plain.get(f"{measure}.new_old"),
            adapted.get(f"{measure}.new_old"),
            adapted.get(f"{measure}.new_old_minus_old_old"),
            plain.get(f"{measure}.new_new"),
        )
        for measure in MEASURES
    ]


def _measured(
    old: ModelVersion, new: ModelVersion | None, revision: SetRevision
) -> dict[str, Measurement]:
    if new is None:
        return {}
    found = comparison_of(old.digest, new.digest, revision.digest)
    if found is None or found.work_state != WorkState.DONE:
        return {}
    return {m.name: m for m in measurements_of(found) if not m.slice}
