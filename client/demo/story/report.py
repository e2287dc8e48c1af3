"""What the demo prints, and whether everything came out as it must."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """Prints as it goes; keeps the failures and the rows of the last table."""

    failures: list[str] = field(default_factory=list)
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def title(self, text: str, *values: Any) -> None:
        """Begin a chapter."""
        line = text % values if values else text
        print(f"\n{line}\n{'-' * len(line)}", flush=True)

    def say(self, text: str, *values: Any) -> None:
        """Tell something."""
        print(f"  {text % values if values else text}", flush=True)

    def check(self, holds: bool, text: str, *values: Any) -> None:
        """Tell what must hold; the demo fails when it does not."""
        line = text % values if values else text
        print(f"  {'ok   ' if holds else 'WRONG'} {line}", flush=True)
        if not holds:
            self.failures.append(line)

    def verdict(self, upgrade: dict[str, Any]) -> None:
        """Print each rule of a verdict with its numbers."""
        verdict = upgrade["verdict"]
        for result in verdict["results"]:
            self.say("%-12s %s: %s", result["outcome"], _named(result), _numbers(result))
        for covered in verdict["coverage"]:
            self.say("%-12s gallery vectors of %s", covered["outcome"], covered["producer"])

    def row(self, what: str, upgrade: dict[str, Any]) -> None:
        """Keep one row of the table at the end."""
        blocking = [
            r
            for r in upgrade["verdict"]["results"]
            if r["outcome"] != "passed" and not r["advisory"]
        ]
        why = "; ".join(f"{r['rule']}: {_numbers(r)}" for r in blocking) or "every rule holds"
        self.rows.append((f"{upgrade['candidate']} {what}", upgrade["verdict"]["outcome"], why))

    def table(self) -> None:
        """Print what was tried, what the gate said, and why."""
        self.title("What was tried, what the gate said, why")
        width = max((len(row[0]) for row in self.rows), default=0)
        for what, outcome, why in self.rows:
            self.say("%s  %-12s  %s", what.ljust(width), outcome, why)

    def exit_code(self) -> int:
        """Print the sum of it and return 0 when nothing was wrong."""
        if self.failures:
            self.title("%d of the steps did not come out as they must", len(self.failures))
            for failure in self.failures:
                self.say("WRONG %s", failure)
            return 1
        print("\nEvery step came out as it must.", flush=True)
        return 0


def _named(result: dict[str, Any]) -> str:
    return f"{result['rule']} (advisory)" if result["advisory"] else result["rule"]


def _numbers(result: dict[str, Any]) -> str:
    if result["value"] is None:
        return result["reason"]
    words = {"at_most": "at most", "at_least": "at least", "above": "above"}
    asked = f"asked for {words[result['bound']]} {result['threshold']:g}"
    text = f"{result['value']:.4f} [{result['lower']:.4f}, {result['upper']:.4f}], {asked}"
    if result["outcome"] == "inconclusive" and result["settles_at"]:
        text += f", {result['settles_at']} samples would settle it"
    return text
