"""What the pages show of adapters: how each method did, and what was measured of the result."""

from dataclasses import dataclass

from compat.measurement import Measurement
from registry.core.leases import WorkState
from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.repairs import RepairFigures, adapter_fits, figures_of, upgrade_made
from registry.upgrades.services.adapted_versions import METHOD_NAMES
from registry.upgrades.states import State
from registry.web.set_reports import Shown, show

CONFIDENCE = 0.95
"""Of the intervals that are shown."""

MEASURE_NAMES = {"map": "mAP", "hit_rate_at_1": "first hit right"}


@dataclass(frozen=True)
class TriedRow:
    """One method on the held-out items of the fitting set."""

    name: str
    retained: str
    cosine: str
    is_chosen: bool


@dataclass(frozen=True)
class FiguresRow:
    """One measure on one judging set, under each way of moving; None where it is to come."""

    evaluation_set: str
    measure: str
    old_old: Shown | None
    untouched: Shown | None
    adapted: Shown | None
    gain: Shown | None
    re_embedded: Shown | None


@dataclass(frozen=True)
class RepairRow:
    """One adapter that was asked for."""

    fit: AdapterFit
    upgrade: Upgrade | None
    tried: list[TriedRow]
    figures: list[FiguresRow]

    @property
    def is_fitting(self) -> bool:
        """Whether a worker is at the fit, or will be."""
        return self.fit.work_state in {WorkState.QUEUED, WorkState.RUNNING}

    @property
    def is_under_way(self) -> bool:
        """Whether there is more to come: the fit, or the judgement of what it made."""
        is_judging = self.upgrade is not None and self.upgrade.state == State.EVALUATING
        return self.is_fitting or is_judging


def repair_rows(upgrade: Upgrade) -> list[RepairRow]:
    """Return the adapters of a candidate, newest first."""
    return [
        RepairRow(fit, upgrade_made(fit), _tried(fit), [_figures(f) for f in figures_of(fit)])
        for fit in adapter_fits(upgrade)
    ]


def _tried(fit: AdapterFit) -> list[TriedRow]:
    if not fit.result:
        return []
    return [
        TriedRow(
            METHOD_NAMES[one["name"]],
            f"{one['retained'] * 100:.1f} %",
            f"{one['cosine']:.3f}",
            one["name"] == fit.result["method"],
        )
        for one in [*fit.result["tried"], fit.result["stay_old"]]
    ]


def _figures(row: RepairFigures) -> FiguresRow:
    return FiguresRow(
        row.evaluation_set,
        MEASURE_NAMES[row.measure],
        *map(_shown, (row.old_old, row.untouched, row.adapted, row.gain, row.re_embedded)),
    )


def _shown(measurement: Measurement | None) -> Shown | None:
    return show(measurement, CONFIDENCE) if measurement else None
