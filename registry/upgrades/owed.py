"""Waivers that are owed: what serves, serves under them, and no promotion has repaid them yet."""

from collections.abc import Iterable, Mapping, Sequence

from compat.verdict import Outcome
from registry.catalog.models import Alias, AliasMove
from registry.evaluation.models import Comparison
from registry.upgrades.models import Verdict, Waiver
from registry.upgrades.selectors import waivers
from registry.upgrades.services.waivers import flips_only

EVIDENCE = "verdict:"
"""How a move begins the reference to the verdict that it rests on."""


def waivers_owed(alias: Alias, *, epoch: int | None = None) -> list[Waiver]:
    """Return the waivers that an alias owes, or owed at an earlier epoch, the newest debt first.

    They are those under which the serving version was promoted, and before it its predecessors,
    back to the last promotion that needed none. Expiry repays nothing.
    """
    return owed_by([alias], epoch=epoch)[alias.pk]


def owed_by(aliases: Iterable[Alias], *, epoch: int | None = None) -> dict[int, list[Waiver]]:
    """Return what each of several aliases owes, in a number of queries that none of them moves."""
    owed: dict[int, list[Waiver]] = {alias.pk: [] for alias in aliases}
    granted = list(waivers().filter(upgrade__alias__in=list(owed), granted_by__isnull=False))
    if not granted:
        return owed
    verdicts = {
        f"{EVIDENCE}{verdict.pk}": verdict
        for verdict in Verdict.objects.filter(upgrade__in={w.upgrade_id for w in granted})
        .exclude(outcome=Outcome.PASSED)
        .only("pk", "upgrade_id", "comparisons")
    }
    moves = AliasMove.objects.filter(alias__in={w.upgrade.alias_id for w in granted})
    if epoch is not None:
        moves = moves.filter(epoch__lte=epoch)
    by_alias: dict[int, list[AliasMove]] = {}
    for move in moves.order_by("-epoch"):
        by_alias.setdefault(move.alias_id, []).append(move)
    comparisons = _compared(granted, verdicts.values())
    for pk, history in by_alias.items():
        for move in _promotions(history):
            used = _used(move, granted, verdicts.get(move.evidence), comparisons)
            if not used:
                break
            owed[pk] += [waiver for waiver in used if waiver not in owed[pk]]
    return owed


def _promotions(history: Sequence[AliasMove]) -> Iterable[AliasMove]:
    """Yield, newest first, how what serves was promoted, how its predecessor was, and so on.

    A rollback leads back to the promotion of the version that it landed on.
    """
    version = history[0].to_version_id
    for move in history:
        if move.kind == AliasMove.Kind.PROMOTE and move.to_version_id == version:
            yield move
            version = move.from_version_id


def _used(
    move: AliasMove,
    granted: Sequence[Waiver],
    verdict: Verdict | None,
    comparisons: Mapping[int, Comparison],
) -> list[Waiver]:
    """Return the waivers that counted when a verdict that did not pass was promoted."""
    if verdict is None:
        return []
    compared = [comparisons[pk] for pk in verdict.comparisons if pk in comparisons]
    return [
        waiver
        for waiver in granted
        if waiver.upgrade_id == verdict.upgrade_id
        and waiver.granted_at <= move.at < waiver.expires_at
        and (not waiver.sample_ids or flips_only(compared, set(waiver.sample_ids)))
    ]


def _compared(granted: Iterable[Waiver], verdicts: Iterable[Verdict]) -> dict[int, Comparison]:
    """Return the comparisons whose flips decide whether a waiver of named samples counted."""
    itemised = {waiver.upgrade_id for waiver in granted if waiver.sample_ids}
    wanted = {pk for v in verdicts if v.upgrade_id in itemised for pk in v.comparisons}
    return Comparison.objects.in_bulk(wanted) if wanted else {}
