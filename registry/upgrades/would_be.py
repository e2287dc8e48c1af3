"""The view that a gallery would have after a promotion, planned and never written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from compat.calibration import Calibration
from compat.plan import CutoverPlan, SegmentPlan
from compat.policy import Task
from registry.catalog.models import ModelVersion
from registry.catalog.rewriting import rewriter_of
from registry.core.errors import ConflictError, InvalidInputError, UnknownObjectError
from registry.galleries.models import Gallery
from registry.galleries.selectors import LiveSegment, LiveView, by_its_own_vectors
from registry.galleries.services.cutover import Dual, plan_for
from registry.galleries.services.holding import require_vectors_here
from registry.upgrades.models import Upgrade
from registry.upgrades.services.advance import is_stale
from registry.upgrades.services.dual_query import own_queries
from registry.upgrades.services.promote import covering_evidence
from registry.upgrades.services.situation import situation_of
from registry.upgrades.states import OPEN


class Mode(StrEnum):
    """What lets the candidate be asked for what a gallery holds."""

    EVIDENCE = "evidence"
    DUAL_QUERY = "dual_query"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Grounds:
    """What an upgrade offers for the vectors of others.

    Attributes:
        evidence: by producer, the reference of what covers it; empty unless the verdict stands.
        dual: by producer, the stored calibrations of a dual query.
        verdict_stands: whether there is a verdict that was made for the present situation.
        rewriter: the version whose vectors the candidate meets in place of some incumbent's.
    """

    upgrade: Upgrade
    evidence: Mapping[int, str]
    dual: Dual
    verdict_stands: bool
    queried_by: Mapping[int, ModelVersion]
    rewriter: ModelVersion | None = None


@dataclass(frozen=True)
class WouldBe:
    """A view as it would be, of the very segments and revisions of the live one."""

    view: LiveView
    mode: Mode
    searchable_items: int
    unsearchable_items: int


def grounds_of(upgrade_id: int) -> Grounds:
    """Return what the candidate of an open upgrade could be asked under.

    Raises:
        UnknownObjectError: there is no such upgrade.
        InvalidInputError: the candidate is no encoder.
        ConflictError: the upgrade is closed, or its candidate cannot be run.
    """
    upgrade = (
        Upgrade.objects.select_related("candidate__model", "alias__model", "verdict")
        .filter(pk=upgrade_id)
        .first()
    )
    if upgrade is None:
        raise UnknownObjectError(f"no upgrade {upgrade_id}", code="unknown_upgrade")
    _require_askable(upgrade)
    situation = situation_of(upgrade)
    stands = upgrade.verdict is not None and not is_stale(upgrade, situation)
    return Grounds(
        upgrade,
        covering_evidence(upgrade, situation) if stands else {},
        own_queries(situation.pins, upgrade.candidate, situation.producers),
        stands,
        {version.pk: version for version in (*situation.producers, upgrade.candidate)},
        rewriter_of(upgrade.candidate),
    )


def would_be(gallery: Gallery, live: LiveView, grounds: Grounds) -> WouldBe:
    """Return the view that a promotion would open, at the revisions of ``live``.

    Where the evidence covers something, what it does not cover is not searchable, nor is what it
    covers once it is rewritten; where it covers nothing and a dual query would reach something, it
    is that.

    Raises:
        ConflictError: the gallery is attached, or follows another alias.
    """
    require_vectors_here(gallery)
    if gallery.alias_id != grounds.upgrade.alias_id:
        raise ConflictError(
            f"{gallery} does not follow {grounds.upgrade.alias}", code="gallery_of_other_alias"
        )
    plan = plan_for(gallery, grounds.upgrade.candidate, grounds.evidence)
    single = _planned(plan, live, grounds, {})
    if single.searchable_items or plan.unwritten_items or not grounds.dual:
        return single
    plan = plan_for(gallery, grounds.upgrade.candidate, grounds.evidence, grounds.dual)
    dual = _planned(plan, live, grounds, grounds.dual)
    return dual if dual.searchable_items else single


def _planned(plan: CutoverPlan, live: LiveView, grounds: Grounds, dual: Dual) -> WouldBe:
    by_segment = {planned.segment: planned for planned in plan.segments}
    segments = tuple(
        _as_planned(segment, by_segment.get(segment.segment_id), grounds, dual)
        for segment in live.segments
    )
    found = sum(s.live_items for s in segments if s.searchable)
    reached = Mode.DUAL_QUERY if dual else Mode.EVIDENCE
    view = replace(live, encoder=grounds.upgrade.candidate, segments=segments)
    mode = reached if found else Mode.NOTHING
    return WouldBe(view, mode, found, sum(s.live_items for s in segments) - found)


def _as_planned(
    segment: LiveSegment, planned: SegmentPlan | None, grounds: Grounds, dual: Dual
) -> LiveSegment:
    """Return the segment as the plan has it; one that holds nothing is in no plan.

    What is rewritten for the candidate is tried once all of it is; what would be found by its own
    twins only is not. What is searched by twins now is tried by its own vectors, as a promotion has
    it.
    """
    candidate = grounds.upgrade.candidate
    if planned is not None and planned.is_rewritten and not planned.lost_items:
        return _as_rewritten(segment, planned, grounds)
    if planned is None or not planned.searchable or planned.twins_by:
        return replace(segment, encoder=candidate, searchable=False, evidence="", calibration=None)
    return replace(
        by_its_own_vectors(segment) if segment.twins_by else segment,
        encoder=grounds.queried_by[planned.queried_by],
        searchable=True,
        evidence=planned.evidence,
        calibration=_calibration(planned, candidate, dual),
    )


def _as_rewritten(segment: LiveSegment, planned: SegmentPlan, grounds: Grounds) -> LiveSegment:
    output = grounds.rewriter.manifest["output"]
    return replace(
        segment,
        encoder=grounds.upgrade.candidate,
        producer=str(grounds.rewriter),
        dimension=output["dimension"],
        distance=output["distance"],
        index_digest="",
        searchable=True,
        evidence=planned.evidence,
        calibration=None,
        twins_by=grounds.rewriter.pk,
        space=grounds.rewriter.digest,
    )


def _calibration(planned: SegmentPlan, candidate: ModelVersion, dual: Dual) -> Calibration | None:
    if planned.producer == candidate.pk:
        return next((own.encoder for own in dual.values()), None)
    own = dual.get(planned.producer)
    return own.producer if own else None


def _require_askable(upgrade: Upgrade) -> None:
    candidate = upgrade.candidate
    if candidate.model.task != Task.EMBEDDING:
        raise InvalidInputError(f"{candidate} is no encoder", code="not_an_encoder")
    if upgrade.state not in OPEN:
        raise ConflictError(f"upgrade {upgrade.pk} is {upgrade.state}", code="upgrade_closed")
    if candidate.is_recorded:
        raise ConflictError(
            f"{candidate} has no weights that a query could be encoded with",
            code="encoder_without_weights",
        )
    if candidate.state != ModelVersion.State.READY:
        raise ConflictError(f"{candidate} is {candidate.state}", code="version_not_ready")
