"""What a person sees while something takes its time, on stderr."""

import sys
from collections.abc import Iterable
from typing import TextIO

from graceful.answers import Check, Step, Upgrade
from graceful.text import printable, size

BAR = 24
TENTHS = 10


class Transfer:
    """Shows how far a file has been read and sent: a bar on a terminal, a line a tenth in a log."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown: tuple[str, int] = ("", -1)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note of progress."""
        if self._stream.isatty():
            self._draw(what, done, total)
        elif (what, TENTHS * done // total) != self._shown:
            self._shown = (what, TENTHS * done // total)
            print(f"{what} {size(done)} of {size(total)}", file=self._stream, flush=True)

    def _draw(self, what: str, done: int, total: int) -> None:
        filled = BAR * done // total
        bar = "#" * filled + "-" * (BAR - filled)
        end = "\n" if done == total else ""
        text = f"\r{what} [{bar}] {100 * done // total:3d} %  {size(done)} of {size(total)}"
        print(text, end=end, file=self._stream, flush=True)


class Evaluation:
    """Says what an evaluation is at, each time that this changes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown: set[str] = set()

    def __call__(self, upgrade: Upgrade) -> None:
        """Take note of an upgrade that was read."""
        lines = [f"{upgrade['candidate']}: {upgrade['state']}"]
        lines += [_sentence(step) for step in upgrade["progress"] if step["state"] != "missing"]
        self._say(lines)

    def of_check(self, check: Check) -> None:
        """Take note of a check that was read."""
        self._say([f"check {check['id']}: {check['work_state']}"])

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line not in self._shown:
                self._shown.add(line)
                print(printable(line), file=self._stream, flush=True)


def _sentence(step: Step) -> str:
    whose = f" of {step['version']}" if step["version"] else ""
    error = f" ({step['error']['code']})" if step["error"] else ""
    return (
        f"{step['work']}{whose} on {step['evaluation_set']}: {step['state']}{_share(step)}{error}"
    )


def _share(step: Step) -> str:
    if step["state"] != "running" or not step["progress_total"]:
        return ""
    return f", {TENTHS * (TENTHS * step['progress_done'] // step['progress_total'])} %"
