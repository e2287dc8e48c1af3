"""Reads of rewritings: how far galleries are ready for a candidate that needs them rewritten."""

from dataclasses import dataclass

from django.db.models import Sum

from registry.core.leases import WorkState
from registry.galleries.models import Gallery, Segment, Twin
from registry.galleries.services.twins import held_segments
from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.services.rewritings import fit_behind


@dataclass(frozen=True)
class Preparation:
    """One gallery: live items whose vectors a candidate meets rewritten, and how many are.

    Attributes:
        is_wanted: whether what is missing is being made.
        failed_batches: that could not be rewritten; ``reason`` is that of the last one.
    """

    gallery: Gallery
    items: int
    rewritten: int
    is_wanted: bool
    failed_batches: int
    reason: str

    @property
    def waiting(self) -> int:
        """Items that are not rewritten yet."""
        return self.items - self.rewritten

    @property
    def is_under_way(self) -> bool:
        """Whether there is more to come."""
        return self.is_wanted and self.waiting > 0 and not self.failed_batches


def preparations(fit: AdapterFit) -> list[Preparation]:
    """Return the galleries that a gallery-side fit has rewritten; none for the query side."""
    if fit.made is None or fit.rewriter is None:
        return []
    galleries = Gallery.objects.filter(alias=fit.upgrade.alias_id).order_by("name")
    return [_preparation(gallery, fit) for gallery in galleries]


def preparations_of(upgrade: Upgrade) -> list[Preparation]:
    """Return the same for the upgrade to what such a fit made."""
    fit = fit_behind(upgrade)
    return preparations(fit) if fit else []


def rewritable_items(upgrade: Upgrade) -> int:
    """Return how many live items a gallery-side repair of the candidate would rewrite."""
    held = Segment.objects.filter(
        gallery__alias=upgrade.alias_id,
        gallery__kind=Gallery.Kind.EMBEDDED,
        producer=upgrade.alias.version_id,
    )
    return held.aggregate(total=Sum("live_items"))["total"] or 0


def items_out_of_reach(upgrade: Upgrade) -> int:
    """Return how many items lie in attached galleries, where nothing can be rewritten."""
    held = Segment.objects.filter(
        gallery__alias=upgrade.alias_id,
        gallery__kind=Gallery.Kind.ATTACHED,
        producer=upgrade.alias.version_id,
    )
    return held.aggregate(total=Sum("live_items"))["total"] or 0


def _preparation(gallery: Gallery, fit: AdapterFit) -> Preparation:
    held = [s for s in held_segments(gallery, fit.made) if s.rewritten_by is not None]
    failed = Twin.objects.filter(
        batch__gallery=gallery, encoder=fit.rewriter, work_state=WorkState.FAILED
    )
    last = failed.order_by("-pk").first()
    return Preparation(
        gallery,
        sum(segment.live_items for segment in held),
        sum(segment.rewritten_items for segment in held),
        gallery.rewritings.filter(encoder=fit.rewriter, is_wanted=True).exists(),
        failed.count(),
        f"{last.error_code}: {last.error_detail}" if last else "",
    )
