"""Reads ahead: what a promotion would move and cost, and how far an evaluation has come."""

from dataclasses import dataclass

from compat.plan import CutoverPlan
from registry.catalog.models import ModelVersion
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison, Outputs, SetRevision
from registry.evaluation.selectors import comparison_of
from registry.galleries.models import Gallery
from registry.galleries.services.cutover import plan_for
from registry.upgrades.models import Upgrade
from registry.upgrades.services.coverage import stored_evidence
from registry.upgrades.services.promote import covering_evidence
from registry.upgrades.services.situation import Situation, situation_of


@dataclass(frozen=True)
class GalleryPreview:
    """What a promotion would mean for one gallery, and what going back from it would.

    ``rollback`` is None where there is no incumbent to go back to. ``returns_whole`` says whether
    evidence lets the incumbent find what the candidate writes meanwhile as well;
    ``probation_hours`` for how long it embeds that as well, where not.
    """

    gallery: Gallery
    cutover: CutoverPlan
    rollback: CutoverPlan | None
    returns_whole: bool
    probation_hours: int


@dataclass(frozen=True)
class Step:
    """One piece of work that a verdict waits for; ``work`` is None where nothing can make it."""

    revision: SetRevision
    of: ModelVersion | None
    work: Outputs | Comparison | None

    @property
    def state(self) -> str:
        """Where it stands."""
        return self.work.work_state if self.work else "missing"

    @property
    def outputs_id(self) -> int | None:
        """The outputs that may be asked for again, when they failed."""
        failed = isinstance(self.work, Outputs) and self.work.work_state == WorkState.FAILED
        return self.work.pk if failed else None


def galleries_after(upgrade: Upgrade) -> list[GalleryPreview]:
    """Return what promoting this upgrade would do to each gallery that follows its alias."""
    situation = situation_of(upgrade)
    forth = covering_evidence(upgrade, situation)
    back = _evidence_of_incumbent(situation)
    previews = []
    incumbent, returns_whole = situation.incumbent, upgrade.candidate.pk in back
    is_embedded_twice = incumbent is not None and not incumbent.is_recorded and not returns_whole
    for gallery in Gallery.objects.filter(alias=upgrade.alias_id).order_by("pk"):
        rollback = plan_for(gallery, incumbent, back) if incumbent else None
        twice = is_embedded_twice and not gallery.is_attached
        previews.append(
            GalleryPreview(
                gallery,
                plan_for(gallery, upgrade.candidate, forth),
                rollback,
                returns_whole,
                gallery.probation_hours if twice else 0,
            )
        )
    return previews


def steps_of(upgrade: Upgrade) -> list[Step]:
    """Return the work behind a verdict, set by set: outputs of each version, then comparisons."""
    situation = situation_of(upgrade)
    versions = situation.versions
    digests = {version.digest for version in versions}
    sets = [pin.digest for pin in situation.pins]
    outputs = {
        (row.version_digest, row.set_digest): row
        for row in Outputs.objects.filter(version_digest__in=digests, set_digest__in=sets)
    }
    old = situation.incumbent or situation.candidate
    steps = []
    for pin in situation.pins:
        steps += [Step(pin, v, outputs.get((v.digest, pin.digest))) for v in versions]
        compared = comparison_of(old.digest, situation.candidate.digest, pin.digest)
        steps.append(Step(pin, None, compared))
    return steps


def _evidence_of_incumbent(situation: Situation) -> dict[int, str]:
    if situation.incumbent is None:
        return {}
    return stored_evidence(
        situation.policy,
        situation.pins,
        situation.incumbent,
        [*situation.producers, situation.candidate],
    )
