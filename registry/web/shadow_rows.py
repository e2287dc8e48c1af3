"""What a page shows of a shadow."""

import math
from dataclasses import dataclass

from registry.upgrades.models import Shadow, Upgrade
from registry.upgrades.shadows import ShadowResult, result_of, shadows_of

SHOWN = 5

ENDS = {
    "stopped": "stopped by a person",
    "time": "its time was up",
    "queries": "enough queries",
    "upgrade_closed": "the upgrade was closed or promoted",
    "alias_moved": "the alias moved: what it was held against is gone",
}


@dataclass(frozen=True)
class ShadowRow:
    """One shadow with its figures in words."""

    shadow: Shadow
    result: ShadowResult
    share: str
    overlap: str
    interval: str
    changed: str
    latencies: list[tuple[str, str, str]]
    why_over: str

    @property
    def is_running(self) -> bool:
        """Whether more may come."""
        return self.result.is_running


def shadow_rows(upgrade: Upgrade) -> list[ShadowRow]:
    """Return the last shadows of an upgrade, newest first."""
    return [_row(shadow) for shadow in shadows_of(upgrade)[:SHOWN]]


def _row(shadow: Shadow) -> ShadowRow:
    found = result_of(shadow)
    n, mean = found.queries, found.mean_overlap
    lower, upper = found.overlap_lower, found.overlap_upper
    known = lower is not None and upper is not None
    return ShadowRow(
        shadow=shadow,
        result=found,
        share=f"{shadow.share * 100:g} %",
        overlap="none yet" if mean is None else f"{mean * 100:.1f} %",
        interval=f"{lower * 100:.1f} to {upper * 100:.1f} %" if known else "",
        changed=f"{found.top1_changed / n * 100:.1f} %" if n else "",
        latencies=[
            ("live answer", _at_most(found.live_p50_ms), _at_most(found.live_p95_ms)),
            ("candidate", _at_most(found.candidate_p50_ms), _at_most(found.candidate_p95_ms)),
        ],
        why_over=ENDS.get(shadow.end, ""),
    )


def _at_most(bound: float | None) -> str:
    if bound is None:
        return "not measured"
    return f"at most {bound:g} ms" if math.isfinite(bound) else "more than 5,000 ms"
