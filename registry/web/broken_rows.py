"""What each of two candidates breaks on one evaluation set, as columns of samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString

from registry.evaluation.models import Comparison
from registry.evaluation.selectors import negative_flips
from registry.upgrades.models import Upgrade
from registry.upgrades.rivals import Broken
from registry.web.drawings.overlap import draw_overlap

SHOWN = 12
"""Samples of a column that are shown with what became of them (chosen); of the rest the ids."""


@dataclass(frozen=True)
class BrokenSample:
    """One sample: what it is, what the candidates that break it say, where to see more.

    An answer that both give is told once, without a name.
    """

    id: str
    label: str
    answers: list[tuple[str, str]]
    url: str
    picture: str


@dataclass(frozen=True)
class Column:
    """Samples that one candidate, or both, break; all of their ids one a line, to be copied."""

    key: str
    title: str
    count: int
    samples: list[BrokenSample]
    ids: str


@dataclass(frozen=True)
class SetOfBroken:
    """Three columns on one evaluation set; ``cut`` says which lists are not whole."""

    evaluation_set: str
    columns: tuple[Column, Column, Column]
    drawing: SafeString | None
    cut: list[str]


def set_of_broken(broken: Broken, first: Upgrade, second: Upgrade) -> SetOfBroken:
    """Return what the page shows of one evaluation set."""
    sides = tuple(
        _Side.of(upgrade, comparison)
        for upgrade, comparison in zip((first, second), broken.comparisons, strict=True)
    )
    one, two = sides
    return SetOfBroken(
        broken.evaluation_set,
        (
            _column("first", f"Only {first.candidate}", broken.only_first, [one]),
            _column("both", "Both", broken.both, [one, two]),
            _column("second", f"Only {second.candidate}", broken.only_second, [two]),
        ),
        draw_overlap(len(broken.only_first), len(broken.both), len(broken.only_second)),
        [side.cut for side in sides if side.cut],
    )


@dataclass(frozen=True)
class _Side:
    """One candidate's comparison, with its negative flips by id."""

    name: str
    comparison: Comparison
    flips: Mapping[str, Mapping[str, Any]]
    browser: str
    cut: str

    @classmethod
    def of(cls, upgrade: Upgrade, comparison: Comparison) -> "_Side":
        flips = {f["id"]: f for f in comparison.flips if f["kind"] == "negative"}
        cited = upgrade.verdict is not None and comparison.pk in upgrade.verdict.comparisons
        browser = reverse("flips", args=[upgrade.pk, comparison.pk]) if cited else ""
        _, is_whole = negative_flips(comparison)
        cut = "" if is_whole else f"{upgrade.candidate} lists only the first {len(flips):,}"
        return cls(str(upgrade.candidate), comparison, flips, browser, cut)

    def picture(self, sample: str) -> str:
        flip = self.flips[sample]
        if not isinstance(flip.get("thumbnail"), str):
            return ""
        return reverse("flip_picture", args=[self.comparison.pk, flip["row"]])


def _column(key: str, title: str, ids: tuple[str, ...], sides: Sequence[_Side]) -> Column:
    samples = [_sample(sample, sides) for sample in ids[:SHOWN]]
    return Column(key, title, len(ids), samples, "\n".join(ids))


def _answers(given: list[tuple[str, str]]) -> list[tuple[str, str]]:
    said = {answer for _, answer in given}
    return given if len(said) > 1 else [("", said.pop())]


def _sample(sample: str, sides: Sequence[_Side]) -> BrokenSample:
    asked = urlencode({"kind": "negative", "id": sample})
    browsers = [side.browser for side in sides if side.browser]
    return BrokenSample(
        sample,
        sides[0].flips[sample]["label"],
        _answers([(side.name, side.flips[sample]["new"]) for side in sides]),
        f"{browsers[0]}?{asked}" if browsers else "",
        next(filter(None, (side.picture(sample) for side in sides)), ""),
    )
