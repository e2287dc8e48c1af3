"""From documents to policies: what may be written, and how a wider policy is inherited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from compat.errors import PolicyError
from compat.measurement import LEVELS
from compat.policy import (
    PAIRWISE,
    Across,
    Basis,
    Bound,
    Correction,
    Coverage,
    Level,
    Policy,
    Promise,
    Rule,
    Task,
)

RULE_LISTS = ("rules", "first_version")
OPTIONAL = frozenset({"coverage", "level", "promotions", "severity", "cut_off"})
MOST_PROMOTIONS = 100


@dataclass(frozen=True)
class Effective:
    """A policy after inheritance.

    Attributes:
        document: the whole of it; ``parse_policy`` takes it.
        origins: where each part comes from: ``rules/<name>``, ``first_version/<name>``, or the
            name of any other part, to the source of the layer that set it.
    """

    document: dict[str, Any]
    origins: dict[str, str] = field(default_factory=dict)


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """Turn a whole document into a policy.

    Raises:
        PolicyError: a key is missing, unknown, of the wrong type or out of range; ``path`` names
            it. Unless its level is ``none``, a policy without a blocking rule that can fail is
            refused: it could let anything through.
    """
    _require_keys(document, "", {"task", "confidence", *RULE_LISTS}, OPTIONAL)
    values = _values(document)
    policy = Policy(**values)
    if policy.task is Task.EMBEDDING and policy.coverage is None:
        raise PolicyError("coverage", "a policy for embeddings says when a gallery is covered")
    if policy.level is not Level.NONE:
        _require_blocking("rules", [r for r in policy.rules if policy.blocks(r)])
    _require_blocking("first_version", [r for r in policy.first_version if not r.advisory])
    if policy.level.is_transitive and not policy.asks_for_chain:
        raise PolicyError("level", "a transitive level needs a blocking rule on cumulative flips")
    return policy


def parse_layer(document: Mapping[str, Any]) -> Task:
    """Check a document that inherits the rest, as far as it goes, and return its task.

    Raises:
        PolicyError: as ``parse_policy``; nothing says what the whole will be.
    """
    allowed = OPTIONAL | {"confidence", "without", *RULE_LISTS}
    _require_keys(document, "", {"task", "inherits"}, allowed)
    _require_true(document["inherits"])
    without = document.get("without", [])
    if not isinstance(without, list):
        raise PolicyError("without", "must be a list of names of rules")
    for i, name in enumerate(without):
        _text(name, f"without[{i}]")
    parts_of(document)
    return Task(document["task"])


def parts_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parsed parts that a document sets, whole or not.

    Raises:
        PolicyError: a part is wrong in itself.
    """
    return _values({key: document[key] for key in document if key not in {"inherits", "without"}})


def merge(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> Effective:
    """Put documents over one another, the widest scope first.

    A document without ``inherits`` stands alone and hides what is wider. One with it replaces the
    parts that it sets; a rule replaces the inherited one of its name in its place, else it is
    added; ``without`` names inherited rules that do not apply.

    Args:
        layers: (source, document) of each scope that sets one.

    Raises:
        PolicyError: there is no document, the widest one inherits from nothing, tasks differ, or
            ``without`` names no inherited rule.
    """
    if not layers:
        raise PolicyError("", "no policy is set")
    alone = [i for i, (_, document) in enumerate(layers) if not document.get("inherits")]
    if not alone:
        raise PolicyError("inherits", "there is no wider policy to inherit from")
    source, document = layers[alone[-1]]
    whole = Effective(dict(document))
    _note_origins(whole, document, source)
    for source, document in layers[alone[-1] + 1 :]:
        _put_over(whole, source, document)
    return whole


def _put_over(whole: Effective, source: str, layer: Mapping[str, Any]) -> None:
    if layer["task"] != whole.document["task"]:
        raise PolicyError("task", f"is {layer['task']}, inherited: {whole.document['task']}")
    _take_away(whole, layer.get("without", ()))
    for key, value in layer.items():
        if key in RULE_LISTS:
            given = {rule["name"]: rule for rule in value}
            kept = [given.pop(rule["name"], rule) for rule in whole.document[key]]
            whole.document[key] = [*kept, *given.values()]
        elif key not in {"inherits", "without"}:
            whole.document[key] = value
    _note_origins(whole, layer, source)


def _take_away(whole: Effective, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        held = [key for key in RULE_LISTS if f"{key}/{name}" in whole.origins]
        if not held:
            raise PolicyError(f"without[{i}]", f"no inherited rule is called {name!r}")
        for key in held:
            del whole.origins[f"{key}/{name}"]
            rules = whole.document[key]
            whole.document[key] = [rule for rule in rules if rule["name"] != name]


def _note_origins(whole: Effective, document: Mapping[str, Any], source: str) -> None:
    for key, value in document.items():
        if key in RULE_LISTS:
            whole.origins.update({f"{key}/{rule['name']}": source for rule in value})
        elif key not in {"inherits", "without"}:
            whole.origins[key] = source


def _values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parsed parts that a document sets."""
    return {key: _PARTS[key](value, key) for key, value in document.items()}


def _confidence(value: Any, path: str) -> float:
    if isinstance(value, bool) or value not in LEVELS:
        raise PolicyError(path, f"must be one of {', '.join(map(str, LEVELS))}")
    return value


def _severity(value: Any, path: str) -> dict[str, float]:
    if not isinstance(value, Mapping) or not value:
        raise PolicyError(path, "must be an object of weights by class")
    weights = {name: _number(weight, f"{path}.{name}") for name, weight in value.items()}
    for name, weight in weights.items():
        if weight < 0:
            raise PolicyError(f"{path}.{name}", "must be zero or more")
    return weights


def _promotions(value: Any, path: str) -> int:
    if _support(value, path) > MOST_PROMOTIONS:
        raise PolicyError(path, f"must be at most {MOST_PROMOTIONS}")
    return value


def _rules(value: Any, path: str) -> tuple[Rule, ...]:
    if not isinstance(value, list):
        raise PolicyError(path, "must be a list of rules")
    rules = tuple(_rule(item, f"{path}[{i}]") for i, item in enumerate(value))
    names = [rule.name for rule in rules]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise PolicyError(f"{path}[{i}].name", "two rules have the same name")
    return rules


def _require_blocking(path: str, blocking: Sequence[Rule]) -> None:
    if not blocking:
        raise PolicyError(path, "at least one rule must block: an empty policy is not a pass")
    if not any(map(_can_fail, blocking)):
        raise PolicyError(path, "no rule can fail: the worst candidate would pass")


def _rule(value: Any, path: str) -> Rule:
    _require_keys(
        value,
        path,
        {"name", "measurement", "bound", "threshold"},
        {
            "basis",
            "min_support",
            "slices",
            "across",
            "correction",
            "promise",
            "advisory",
            "owner",
            "rationale",
        },
    )
    advisory = value.get("advisory", False)
    if not isinstance(advisory, bool):
        raise PolicyError(f"{path}.advisory", "must be true or false")
    rule = Rule(
        name=_text(value["name"], f"{path}.name"),
        measurement=_text(value["measurement"], f"{path}.measurement"),
        bound=_choice(Bound, value["bound"], f"{path}.bound"),
        threshold=_number(value["threshold"], f"{path}.threshold"),
        basis=_choice(Basis, value.get("basis", Basis.BOUND), f"{path}.basis"),
        min_support=_support(value.get("min_support", 1), f"{path}.min_support"),
        slices=_slices(value.get("slices", []), f"{path}.slices"),
        across=_choice(Across, value.get("across", Across.EVERY), f"{path}.across"),
        correction=_choice(
            Correction, value.get("correction", Correction.HOLM), f"{path}.correction"
        ),
        promise=_choice(Promise, value.get("promise", Promise.ALWAYS), f"{path}.promise"),
        advisory=advisory,
        owner=_note(value.get("owner", ""), f"{path}.owner"),
        rationale=_note(value.get("rationale", ""), f"{path}.rationale"),
    )
    if rule.across is Across.ANY and not (rule.advisory and rule.slices):
        raise PolicyError(
            f"{path}.across",
            "'any' is an alert: it needs slices and advisory: true, since no alert is no proof",
        )
    if rule.promise in PAIRWISE and rule.measurement.startswith("cumulative_"):
        raise PolicyError(f"{path}.promise", "a cumulative rule vouches for no single version")
    return rule


def _coverage(value: Any, path: str) -> Coverage:
    _require_keys(value, path, {"measure", "margin"}, {"min_support"})
    margin = _number(value["margin"], f"{path}.margin")
    if margin < 0:
        raise PolicyError(f"{path}.margin", "must be zero or more")
    return Coverage(
        _text(value["measure"], f"{path}.measure"),
        margin,
        _support(value.get("min_support", 1), f"{path}.min_support"),
    )


def _require_keys(
    value: Any, path: str, needed: set[str], allowed: set[str] | frozenset[str]
) -> None:
    if not isinstance(value, Mapping):
        raise PolicyError(path, "must be an object")
    missing = needed - set(value)
    if missing:
        raise PolicyError(path, f"missing {', '.join(sorted(missing))}")
    unknown = set(value) - needed - allowed
    if unknown:
        raise PolicyError(path, f"unknown {', '.join(sorted(map(str, unknown)))}")


def _require_true(value: Any) -> None:
    if value is not True:
        raise PolicyError("inherits", "must be true, or left out")


def _choice(kind: type[StrEnum], value: Any, path: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise PolicyError(path, f"must be one of {', '.join(kind)}") from None


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PolicyError(path, "must be a text that is not empty")
    return value


def _note(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise PolicyError(path, "must be a text")
    return value


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise PolicyError(path, "must be a finite number")
    return float(value)


def _support(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PolicyError(path, "must be a whole number of at least 1")
    return value


def _slices(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise PolicyError(path, 'must be a list such as ["column=value", "column=*", "*"]')
    for item in value:
        if not isinstance(item, str) or (item != "*" and not _names_slices(item)):
            raise PolicyError(
                path, f"{item!r} is not column=value, column=*, several joined by &, or *"
            )
    return tuple(value)


def _names_slices(pattern: str) -> bool:
    parts = [part.partition("=") for part in pattern.split("&")]
    columns = [column for column, _, _ in parts]
    return all(map(all, parts)) and len(set(columns)) == len(columns)


_UNBOUNDED = frozenset({"latency_ratio", "size_ratio", "relative_nfr", "classes_lost"})
"""Measurements that may be greater than one."""


def _can_fail(rule: Rule) -> bool:
    """Whether the worst value that the measurement can take breaks the rule."""
    if rule.bound is Bound.AT_MOST:
        return rule.measurement in _UNBOUNDED or rule.threshold < 1
    least = -1.0 if "_minus_" in rule.measurement else 0.0
    return rule.threshold > least or (rule.bound is Bound.ABOVE and rule.threshold >= least)


_PARTS = {
    "task": lambda value, path: _choice(Task, value, path),
    "confidence": _confidence,
    "level": lambda value, path: _choice(Level, value, path),
    "rules": _rules,
    "first_version": _rules,
    "coverage": lambda value, path: None if value is None else _coverage(value, path),
    "promotions": _promotions,
    "severity": _severity,
    "cut_off": _number,
}
