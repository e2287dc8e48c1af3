"""What a page shows of a query that was tried under both encoders."""

from collections.abc import Mapping
from typing import Any

CHANGES = {
    "kept": ("dash", "same rank"),
    "moved_up": ("up", "up {by}"),
    "moved_down": ("fall", "down {by}"),
    "new": ("plus", "new"),
    "gone": ("cross", "gone"),
}
"""By change: the icon and the words, so that no colour alone tells it."""

FLIPS = {
    "negative": ("failed", "Negative flip: the first hit is right now and would be wrong."),
    "positive": ("passed", "Positive flip: the first hit is wrong now and would be right."),
    "none": ("quiet", "No flip: the first hit is as right or wrong as before."),
    "unknown": ("quiet", "Whether the first hit turns is not known: {why}."),
}

MODES = {
    "evidence": "The verdict covers what the candidate searches here.",
    "dual_query": "No verdict covers the stored vectors. This is a dual query: each version "
    "goes on to query its own vectors, so what the old one finds stays.",
    "nothing": "Nothing lets the candidate query what this gallery holds as it is now: nothing of "
    "it would be found.",
}


def compared(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of a preview with the words that a page needs."""
    label = answer["query"]["label"]
    sides = {name: _side(answer[name], label) for name in ("live", "preview")}
    outcome, words = FLIPS[answer["flip"]]
    why = "no set here knows the label of the query"
    if label is not None:
        why = "the first hits are in no set that labels them"
    return {
        **answer,
        **sides,
        "flip_outcome": outcome,
        "flip_words": words.format(why=why),
        "mode_words": MODES[answer["mode"]],
        "percent": _percent(answer["overlap_at_10"]),
    }


def sampled(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of a draw of queries with the words that a page needs."""
    rows = [
        {
            **row,
            "percent": _percent(row["overlap_at_10"]),
            "same_first": row["live"] is not None and row["live"] == row["preview"],
        }
        for row in answer["rows"]
    ]
    return {
        **answer,
        "rows": rows,
        "mode_words": MODES[answer["mode"]],
        "percent": _percent(answer["mean_overlap_at_10"]),
        "changed": sum(not row["same_first"] for row in rows),
        "next_seed": answer["seed"] + 1,
    }


def _side(side: Mapping[str, Any], label: str | None) -> dict[str, Any]:
    return {**side, "hits": [_hit(hit, label) for hit in side["hits"]]}


def _hit(hit: Mapping[str, Any], label: str | None) -> dict[str, Any]:
    icon, words = CHANGES[hit["change"]]
    known = label is not None and hit["label"] is not None
    return {
        **hit,
        "icon": icon,
        "words": words.format(by=hit["by"]),
        "is_right": hit["label"] == label if known else None,
    }


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share * 100:.0f} %"
