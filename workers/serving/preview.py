"""One query under the live view and under the one that a promotion would open."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from registry.core.errors import RegistryError
from registry.evaluation.models import SetRevision
from registry.evaluation.selectors import revision_referred
from registry.galleries.models import Gallery
from registry.galleries.selectors import LiveView, gallery_named
from registry.upgrades.models import EvaluationPin
from registry.upgrades.would_be import Grounds, WouldBe, grounds_of, would_be
from workers.serving.changes import OVERLAP_AT, flip, overlap, with_changes
from workers.serving.errors import SearchError
from workers.serving.queries import LARGEST_K, Query, query_of
from workers.serving.samples import Labels, Samples
from workers.serving.search import TRIES, Search, Stopwatch

MOST_SAMPLES = 50
"""Queries of a set in one request (chosen: each is encoded and searched twice)."""

DEFAULT_SAMPLES = 20

PASSED_ON = frozenset(
    {
        *("unknown_gallery", "unknown_upgrade", "unknown_evaluation_set", "invalid_reference"),
        *("gallery_attached", "gallery_of_other_alias", "upgrade_closed", "not_an_encoder"),
        *("encoder_without_weights", "version_not_ready"),
    }
)
"""What the registry refuses a preview with; it has the same code here."""


@dataclass(frozen=True)
class Asking:
    """One query in the two forms that it is put in.

    Attributes:
        live: as users put it.
        preview: with the input, for encoders that have never seen the item.
        without: an id that is no hit, since it is the query itself.
        label: what a right first hit is labelled.
    """

    kind: str
    live: Query
    preview: Query
    name: str = ""
    without: str = ""
    label: str | None = None
    picture: str = ""
    row: int | None = None


class Preview:
    """Compares live answers with those that a candidate would give; writes nothing."""

    def __init__(
        self, search: Search, samples: Samples, keep: Callable[[Iterable[int]], None]
    ) -> None:
        """Take whom to tell which encoders were used and may be again soon."""
        self.samples = samples
        self._search, self.keep = search, keep

    def compare(self, name: str, asked: Any) -> dict[str, Any]:
        """Answer one query twice: by the live view, and as if the upgrade were promoted.

        Raises:
            SearchError: see ``errors.STATUS``, ``queries.parse``; ``query_not_encodable``.
        """
        asked, upgrade_id, labels_from = _common(asked)
        gallery, grounds = _grounds(name, upgrade_id)
        labels = self._labels(grounds, labels_from, asked.get("sample"))
        asking = self._asking(gallery, asked, labels)
        return self._shown(gallery, grounds, asking, labels, with_pictures=True)

    def compare_samples(self, name: str, asked: Any) -> dict[str, Any]:
        """Compare the answers to several queries of a set, chosen at random by ``seed``.

        Raises:
            SearchError: see ``errors.STATUS``; ``invalid_query``.
        """
        asked, upgrade_id, labels_from = _common(asked)
        chosen = _Chosen.of(asked)
        gallery, grounds = _grounds(name, upgrade_id)
        revision = _pinned(grounds, chosen.evaluation_set)
        labels = self._labels(grounds, labels_from, {"evaluation_set": chosen.evaluation_set})
        rows = chosen.rows_of(self.samples.labels(revision.canonical_digest))
        self.samples.of_set(revision, rows)
        found = []
        for row in rows:
            sample = {"evaluation_set": chosen.evaluation_set, "row": row}
            asking = self._asking(gallery, {"k": chosen.k, "sample": sample}, labels)
            found.append(self._shown(gallery, grounds, asking, labels))
        return _summary(found, chosen, grounds)

    def would_be(self, name: str, grounds: Grounds) -> tuple[LiveView, WouldBe]:
        """Return the live view of a gallery and the one that it would have."""
        live = self._search.resolved(name)
        return live, _checked(lambda: would_be(gallery_named(name), live, grounds))

    def answer(self, view: LiveView, query: Query, without: str = "") -> dict[str, Any]:
        """Return the answer under one view, in which the item ``without`` is no hit."""
        one_more = replace(query, k=min(query.k + 1, LARGEST_K)) if without else query
        found = self._search.under(view, one_more, Stopwatch())
        hits = [hit for hit in found["hits"] if hit["id"] != without][: query.k]
        kept = ("encoder", "merged_by", "skipped", "timings_ms")
        return {name: found[name] for name in kept} | {"hits": hits}

    def _have_ready(self, view: LiveView) -> None:
        """Have the encoders of a view running, so that no start is taken for a slow answer."""
        self.keep(view.encoders)
        for version in view.encoders.values():
            self._search.encoders.warm(version)

    def _shown(
        self,
        gallery: Gallery,
        grounds: Grounds,
        asking: Asking,
        labels: Sequence[tuple[str, Labels]],
        *,
        with_pictures: bool = False,
    ) -> dict[str, Any]:
        """Answer under both views, resolved once; again where a backfill moved items meanwhile."""
        for tries_left in reversed(range(TRIES)):
            live_view, other = self.would_be(gallery.name, grounds)
            self._have_ready(other.view)
            old = self.answer(live_view, asking.live, asking.without)
            new = self.answer(other.view, asking.preview, asking.without)
            if not tries_left or self._search.stands(live_view):
                break
        for answer in (old, new):
            answer["hits"] = [_labelled(hit, labels) for hit in answer["hits"]]
        top = OVERLAP_AT
        shared = overlap(
            [hit["id"] for hit in old["hits"][:top]], [hit["id"] for hit in new["hits"][:top]]
        )
        turned = flip(asking.label, old["hits"], new["hits"])
        old["hits"], new["hits"] = with_changes(old["hits"], new["hits"])
        if with_pictures:
            shown = {hit["id"] for answer in (old, new) for hit in answer["hits"]}
            pictures = self.samples.pictures(gallery.pk, sorted(shown))
            for answer in (old, new):
                answer["hits"] = [
                    h | {"picture": pictures.get(h["id"], "")} for h in answer["hits"]
                ]
        return {
            "gallery": gallery.name,
            "epoch": live_view.epoch,
            "upgrade": grounds.upgrade.pk,
            "mode": other.mode,
            "verdict_stands": grounds.verdict_stands,
            "searchable_items": other.searchable_items,
            "unsearchable_items": other.unsearchable_items,
            "query": {
                "kind": asking.kind,
                "name": asking.name,
                "row": asking.row,
                "label": asking.label,
                "picture": asking.picture,
            },
            "labels_from": [named for named, _ in labels],
            "live": old,
            "preview": new,
            "overlap_at_10": shared,
            "flip": turned,
        }

    def _asking(
        self, gallery: Gallery, asked: Mapping[str, Any], labels: Sequence[tuple[str, Labels]]
    ) -> Asking:
        if "sample" in asked:
            return self._asking_sample(asked)
        query = query_of(asked)
        if query.item_id:
            sample = self.samples.of_item(gallery.pk, gallery.name, query.item_id)
            return Asking(
                "item",
                query,
                replace(query, item_id="", sample=sample.values),
                name=query.item_id,
                without=query.item_id,
                label=_label_of(query.item_id, labels),
                picture=sample.picture,
            )
        if query.sample is None:
            raise SearchError(
                "query_not_encodable",
                "a vector is of one version: give an input or an item whose input is stored",
            )
        return Asking("input", query, query)

    def _asking_sample(self, asked: Mapping[str, Any]) -> Asking:
        given = asked["sample"]
        if (
            not isinstance(given, dict)
            or set(given) != {"evaluation_set", "row"}
            or not isinstance(given["evaluation_set"], str)
            or type(given["row"]) is not int
        ):
            raise SearchError("invalid_query", "a sample is an evaluation_set and a row of it")
        revision = _checked(lambda: _ready(revision_referred(given["evaluation_set"])))
        held, row = self.samples.labels(revision.canonical_digest), given["row"]
        if not (0 <= row < len(held.ids) and held.is_query[row]):
            raise SearchError("unknown_sample", f"row {row} of {revision} is no query")
        sample = self.samples.of_set(revision, [row])[0]
        shape = {name: value for name, value in asked.items() if name != "sample"}
        query = query_of(shape | {"input": 0})
        query = replace(query, sample=sample.values)
        name = str(held.ids[row])
        return Asking(
            "sample",
            query,
            query,
            name=name,
            without=name if held.is_gallery[row] else "",
            label=str(held.labels[row]),
            picture=sample.picture,
            row=row,
        )

    def _labels(self, grounds: Grounds, labels_from: str, sample: Any) -> list[tuple[str, Labels]]:
        """Return where labels of items are looked up, by their ids: the set that was named last.

        Without a name it is the set of the query, then whatever judges the alias.
        """
        if labels_from:
            revisions = [_checked(lambda: _ready(revision_referred(labels_from)))]
        else:
            revisions = _pins(grounds)
        found = [(str(one), self.samples.labels(one.canonical_digest)) for one in revisions]
        asked = sample.get("evaluation_set") if isinstance(sample, dict) else None
        return sorted(found, key=lambda named: named[0] != asked)


@dataclass(frozen=True)
class _Chosen:
    evaluation_set: str
    queries: int
    seed: int
    k: int

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> "_Chosen":
        known = {"evaluation_set", "queries", "seed", "k"}
        if unknown := sorted(set(asked) - known):
            raise SearchError("invalid_query", f"{unknown[0][:50]!r} is not known here")
        named = asked.get("evaluation_set")
        queries, seed = asked.get("queries", DEFAULT_SAMPLES), asked.get("seed", 0)
        if not isinstance(named, str):
            raise SearchError("invalid_query", "evaluation_set is a reference such as digits:1")
        if type(queries) is not int or not 1 <= queries <= MOST_SAMPLES:
            raise SearchError("invalid_query", f"queries are 1 to {MOST_SAMPLES}")
        if type(seed) is not int or not 0 <= seed < 2**31:
            raise SearchError("invalid_query", "a seed is a whole number of 31 bits")
        k = query_of({"k": asked.get("k", OVERLAP_AT), "input": 0}).k
        return cls(named, queries, seed, k)

    def rows_of(self, held: Labels) -> list[int]:
        rows = np.flatnonzero(held.is_query)
        count = min(self.queries, len(rows))
        chosen = np.random.default_rng(self.seed).choice(rows, size=count, replace=False)
        return sorted(chosen.tolist())


def _common(asked: Any) -> tuple[dict[str, Any], int, str]:
    """Return what else is asked, the upgrade, and where labels are looked up."""
    if not isinstance(asked, dict) or type(asked.get("upgrade")) is not int:
        raise SearchError("invalid_query", "upgrade is the number of an upgrade")
    labels_from = asked.get("labels_from") or ""
    if not isinstance(labels_from, str):
        raise SearchError("invalid_query", "labels_from is a reference such as digits:1")
    rest = {name: v for name, v in asked.items() if name not in {"upgrade", "labels_from"}}
    return rest, asked["upgrade"], labels_from


def _grounds(name: str, upgrade_id: int) -> tuple[Gallery, Grounds]:
    return _checked(lambda: gallery_named(name)), _checked(lambda: grounds_of(upgrade_id))


def _checked(read: Any) -> Any:
    """Return what is read; what the registry refuses has the same code here."""
    try:
        return read()
    except RegistryError as exc:
        raise SearchError(exc.code, str(exc)) from exc


def _pins(grounds: Grounds) -> list[SetRevision]:
    pins = EvaluationPin.objects.filter(gate__alias=grounds.upgrade.alias_id)
    return [pin.set_revision for pin in pins.select_related("set_revision__evaluation_set")]


def _pinned(grounds: Grounds, reference: str) -> SetRevision:
    found = next((pin for pin in _pins(grounds) if str(pin) == reference), None)
    if found is None:
        raise SearchError("set_not_pinned", f"{reference[:100]} does not judge this alias")
    return found


def _ready(revision: SetRevision) -> SetRevision:
    if revision.state != SetRevision.State.READY:
        raise SearchError("set_not_ready", f"{revision} is {revision.state}")
    return revision


def _labelled(hit: dict[str, Any], labels: Sequence[tuple[str, Labels]]) -> dict[str, Any]:
    return hit | {"label": _label_of(hit["id"], labels)}


def _label_of(external_id: str, labels: Sequence[tuple[str, Labels]]) -> str | None:
    return next((found for _, held in labels if (found := held.of(external_id))), None)


def _summary(
    found: Sequence[Mapping[str, Any]], chosen: _Chosen, grounds: Grounds
) -> dict[str, Any]:
    """Return the sampled queries in short, and what they have in common."""
    overlaps = [one["overlap_at_10"] for one in found if one["overlap_at_10"] is not None]
    flips = [one["flip"] for one in found]
    shared = ("mode", "verdict_stands", "searchable_items", "unsearchable_items", "labels_from")
    return {
        "gallery": found[0]["gallery"],
        "upgrade": grounds.upgrade.pk,
        "evaluation_set": chosen.evaluation_set,
        "seed": chosen.seed,
        **{name: found[-1][name] for name in shared},
        "queries": len(found),
        "mean_overlap_at_10": sum(overlaps) / len(overlaps) if overlaps else None,
        "negative_flips": flips.count("negative"),
        "positive_flips": flips.count("positive"),
        "unknown_flips": flips.count("unknown"),
        "rows": [
            {
                "query": one["query"],
                "live": _first(one["live"]),
                "preview": _first(one["preview"]),
                "overlap_at_10": one["overlap_at_10"],
                "flip": one["flip"],
            }
            for one in found
        ],
    }


def _first(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    hit = next(iter(answer["hits"]), None)
    return {"id": hit["id"], "label": hit["label"]} if hit else None
