"""The text of a policy while somebody writes it: what is wrong, or what it says and would mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from compat.policy_documents import parts_of
from registry.core.errors import InvalidInputError
from registry.upgrades.effective_policies import EffectivePolicy, policy_if_set
from registry.upgrades.policy_problems import InvalidPolicyError, Problem, require_policy
from registry.upgrades.policy_scopes import Place
from registry.upgrades.policy_text import read_written
from registry.web.policy_rows import (
    AskedPart,
    AskedRule,
    asked_parts,
    asked_rules,
    effective_part_rows,
    effective_rows,
)

AROUND = 2
"""Lines shown before and after one that is wrong."""


@dataclass(frozen=True)
class Line:
    """One line of the text."""

    number: int
    text: str
    is_wrong: bool


@dataclass(frozen=True)
class ShownProblem:
    """Something that is wrong, with the lines around it."""

    problem: Problem
    lines: list[Line]


@dataclass(frozen=True)
class Draft:
    """What was found in a text; it is a policy where there is no problem."""

    problems: Sequence[ShownProblem] = ()
    task: str = ""
    is_layer: bool = False
    rules: Sequence[AskedRule] = ()
    parts: Sequence[AskedPart] = ()
    without: Sequence[str] = ()
    where: str = ""
    effective: EffectivePolicy | None = None

    @property
    def wrong_lines(self) -> str:
        """The numbers of the lines that something is wrong with."""
        return ",".join(str(shown.problem.line) for shown in self.problems)


def look_at(text: str, place: Place | None) -> Draft:
    """Read a text, and find out what would hold for a scope, were it set there."""
    try:
        written = read_written(text)
        task = require_policy(written.document, written)
        found = place and policy_if_set(place=place, document=written.document, places=written)
    except InvalidPolicyError as exc:
        return Draft(problems=[_shown(problem, text) for problem in exc.problems])
    except InvalidInputError as exc:
        return Draft(problems=[_shown(Problem("task", str(exc), *written.place_of("task")), text)])
    parts = parts_of(written.document)
    return Draft(
        task=task,
        is_layer="inherits" in written.document,
        rules=effective_rows(found) if found else asked_rules(parts),
        parts=effective_part_rows(found) if found else asked_parts(parts),
        without=written.document.get("without", ()),
        where=str(place) if place else "",
        effective=found,
    )


def _shown(problem: Problem, text: str) -> ShownProblem:
    lines = text.split("\n")
    at = problem.line or 1
    first, last = max(at - AROUND, 1), min(at + AROUND, len(lines))
    return ShownProblem(problem, [Line(n, lines[n - 1], n == at) for n in range(first, last + 1)])
