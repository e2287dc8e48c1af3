"""The root of the command line, and what every command shares: data to stdout, the rest to stderr.

Exit codes: 0 passed, 1 failed or refused, 2 wrong usage, 3 inconclusive, 4 pending or timed out,
5 the registry was not reached, 6 errored or stale.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from graceful.client import Client
from graceful.errors import GracefulError, UsageError
from graceful.standing import INTERRUPTED, exit_code
from graceful.text import printable
from graceful.version import VERSION


class Commands(TyperGroup):
    """Turns errors into a line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except GracefulError as exc:
            say(f"{exc.code}: {exc}")
            raise typer.Exit(exit_code(exc)) from None
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    help="Push a candidate, ask the gate, move the alias.",
    epilog="Exit codes: 0 passed, 1 failed or refused, 2 wrong usage, 3 inconclusive, "
    "4 pending or timed out, 5 not reached, 6 errored or stale.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Shape(StrEnum):
    """How lists and single things are written."""

    TABLE = "table"
    JSON = "json"


ShapeOption = Annotated[Shape, typer.Option("--format", help="How the answer is written.")]
AliasArgument = Annotated[str, typer.Argument(metavar="MODEL@ALIAS")]
CandidateOption = Annotated[
    int, typer.Option("--candidate", min=1, metavar="N", help="Number of the version.")
]
TimeoutOption = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the verdict.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; it goes into the ledger.")]

PATIENCE_S = 1800.0
"""How long a pipeline waits for a verdict unless told otherwise (chosen)."""


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False):
    """Push a candidate, ask the gate, move the alias."""
    if version:
        show(VERSION)
        raise typer.Exit


def registry() -> Client:
    """Return the way into the registry that the user is logged in to."""
    return Client.from_environment()


def show(text: str) -> None:
    """Write data to stdout."""
    typer.echo(text)


def show_json(document: object) -> None:
    """Write a document to stdout."""
    show(json.dumps(document, indent=2))


def say(text: str) -> None:
    """Tell the person something on stderr."""
    typer.echo(printable(text), err=True)


def read_text(path: Path) -> str:
    """Return the text of a file of the user's, or raise UsageError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} cannot be read: {exc}", code="unreadable") from None


def read_json(path: Path) -> Any:
    """Return the document in a file of the user's, or raise UsageError that names the line."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as exc:
        detail = f"{path}, line {exc.lineno}, column {exc.colno}: {exc.msg}"
        raise UsageError(detail, code="not_json") from None
