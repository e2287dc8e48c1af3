"""What is wrong with a policy document: by the published schema, then by what it means."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from jsonschema import Draft202012Validator, ValidationError

from compat.errors import PolicyError
from compat.policy import Task
from compat.policy_documents import parse_layer, parse_policy
from compat.self_test import require_caught
from registry.core.errors import InvalidInputError, Refusal

SCHEMA_PATH = Path(__file__).with_name("policy.schema.json")

MAX_DEPTH = 6
"""Levels of nesting; the deepest place that the schema knows has four."""

MOST_PROBLEMS = 20
"""So many are told at once (chosen): whoever has more begins with these."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where in the document, what, and where in the text if it has one."""

    path: str
    detail: str
    line: int | None = None
    column: int | None = None

    @property
    def message(self) -> str:
        """What is wrong, with its place in the document."""
        return f"{self.path}: {self.detail}" if self.path else self.detail

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}: " if self.line else ""
        return f"{where}{self.message}"


class InvalidPolicyError(InvalidInputError):
    """A document is no policy; ``problems`` says what is wrong with it."""

    code = "invalid_policy"

    def __init__(
        self,
        detail: str,
        *,
        problems: Sequence[Problem] = (),
        code: str | None = None,
        refusal: Refusal | None = None,
    ) -> None:
        super().__init__(detail, code=code, refusal=refusal)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "InvalidPolicyError":
        """Return the refusal of what has these problems."""
        return cls("; ".join(map(str, problems)), problems=problems)


class Places(Protocol):
    """Knows where each part of a document is written."""

    def place_of(self, path: str) -> tuple[int, int]:
        """Return line and column, both from 1."""


@cache
def schema() -> dict[str, Any]:
    """Return the JSON schema of policies, as it is served to clients."""
    return json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def require_policy(document: Any, places: Places | None = None) -> Task:
    """Return the task of a document that is a policy, whole or inheriting the rest.

    A whole one tests itself: a regression just over each budget must fail.

    Args:
        document: what may be a policy.
        places: where it is written; None where it came as an object.

    Raises:
        InvalidPolicyError: it is none.
    """
    problems = schema_problems(document)
    if not problems:
        try:
            return _require_meaning(document)
        except PolicyError as exc:
            problems = [problem_of(exc)]
    raise InvalidPolicyError.of(located(problems, places))


def schema_problems(document: Any) -> list[Problem]:
    """Return what the schema has against a document, at most ``MOST_PROBLEMS``."""
    too_deep = _too_deep(document)
    if too_deep is not None:
        return [Problem(too_deep, f"is nested deeper than {MAX_DEPTH} levels")]
    errors = Draft202012Validator(schema()).iter_errors(document)
    found = (problem for error in errors for problem in _problems(error))
    return list(dict.fromkeys(islice(found, 10 * MOST_PROBLEMS)))[:MOST_PROBLEMS]


def problem_of(exc: PolicyError) -> Problem:
    """Return what the policy's own reader has against it."""
    return Problem(exc.path, str(exc).removeprefix(f"{exc.path}: "))


def located(problems: Iterable[Problem], places: Places | None) -> list[Problem]:
    """Return the problems with their places, in the order of the text."""
    if places is None:
        return list(problems)
    found = []
    for problem in problems:
        line, column = places.place_of(problem.path)
        found.append(replace(problem, line=line, column=column))
    return sorted(found, key=lambda p: (p.line, p.column))


def _require_meaning(document: Mapping[str, Any]) -> Task:
    if "inherits" in document:
        return parse_layer(document)
    policy = parse_policy(document)
    require_caught(policy)
    return policy.task


def _too_deep(document: Any) -> str | None:
    """Return the first place that is nested too deeply: validators recurse."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > MAX_DEPTH:
            return _dotted(path)
        if isinstance(value, Mapping):
            waiting.extend(((*path, str(key)), item) for key, item in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), item) for index, item in enumerate(value))
    return None


def _problems(error: ValidationError) -> Iterator[Problem]:
    path = _dotted(error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = (key for key in error.instance if key not in known)
        for key in islice(unknown, MOST_PROBLEMS):
            name = str(key)[:100]
            yield Problem(f"{path}.{name}" if path else name, _unknown(name, known))
    else:
        yield Problem(path, _in_words(error))


def _unknown(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, 1)
    if near:
        return f"is unknown; {near[0]} is meant?"
    return f"is unknown; known are {', '.join(known)}"


def _in_words(error: ValidationError) -> str:
    rule = error.validator_value
    if error.validator == "required":
        return f"missing {', '.join(key for key in rule if key not in error.instance)}"
    if error.validator == "minItems":
        return "must not be empty: an empty policy is not a pass"
    if "errorMessage" in error.schema:
        words = error.schema["errorMessage"]
        unquoted = "text" in words and isinstance(error.instance, bool | int | float)
        return f"{words}: put it in quotes" if unquoted else words
    if error.validator == "enum":
        return f"must be one of {', '.join(map(str, rule))}"
    if error.validator == "type":
        return "must be a list" if rule == "array" else "must be an object"
    return "must not be empty"


def _dotted(path: Iterable[str | int]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")
