"""Have galleries rewritten for the candidates that need it, before a promotion and as long as."""

from compat.verdict import Outcome
from registry.catalog.rewriting import REWRITTEN
from registry.core.leases import WorkState
from registry.galleries.models import Gallery
from registry.galleries.services.rewrite import want, want_no_more
from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.services.waivers import outcome_now
from registry.upgrades.states import State

REACHABLE = frozenset({State.PROMOTED, State.REPLACED})
"""What serves, and what a later promotion took over from: a rollback may land on it."""


def prepare_rewritings() -> None:
    """Want, in each gallery of its alias, what a candidate that passed would search; or no more.

    Who serves, or served until a later candidate took over, keeps what was rewritten. After a
    rollback from it, or once its upgrade is closed, the rewritten vectors go: to make them again
    takes no encoder. While a stale verdict is made again, nothing changes.
    """
    for upgrade in Upgrade.objects.select_related("candidate", "verdict").filter(
        candidate__manifest__has_key=REWRITTEN
    ):
        fit = fit_behind(upgrade)
        if fit is None or upgrade.state == State.EVALUATING:
            continue
        for gallery in _galleries(upgrade):
            if _is_needed(upgrade):
                want(
                    gallery=gallery,
                    producer=fit.incumbent,
                    encoder=fit.rewriter,
                    transform=fit.transform,
                )
            else:
                want_no_more(gallery=gallery, encoder=fit.rewriter)


def fit_behind(upgrade: Upgrade) -> AdapterFit | None:
    """Return the gallery-side fit that made the candidate."""
    return (
        AdapterFit.objects.select_related("upgrade", "incumbent", "rewriter", "made", "transform")
        .filter(made=upgrade.candidate_id, side=AdapterFit.Side.GALLERY, work_state=WorkState.DONE)
        .order_by("pk")
        .first()
    )


def _galleries(upgrade: Upgrade) -> list[Gallery]:
    """Return the galleries whose vectors are here."""
    followed = Gallery.objects.filter(alias=upgrade.alias_id).order_by("pk")
    return [gallery for gallery in followed if not gallery.is_attached]


def _is_needed(upgrade: Upgrade) -> bool:
    if upgrade.state in REACHABLE:
        return True
    return upgrade.state == State.JUDGED and outcome_now(upgrade) == Outcome.PASSED
