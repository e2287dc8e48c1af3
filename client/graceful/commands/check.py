"""Check outputs by the gate's own measures and policy, without registering anything."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graceful.answers import Check
from graceful.client import Client
from graceful.commands.progress import Evaluation, Transfer
from graceful.commands.root import (
    PATIENCE_S,
    AliasArgument,
    TimeoutOption,
    app,
    read_json,
    registry,
    say,
    show,
)
from graceful.errors import TimedOutError, UsageError
from graceful.formats import Format, render
from graceful.references import alias_reference, numbered_reference
from graceful.report import report_on_check
from graceful.standing import EXIT


@app.command()
def check(
    alias: AliasArgument,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="Predictions or embeddings with ids."
        ),
    ],
    evaluation_set: Annotated[
        str, typer.Option("--set", metavar="NAME:N", help="A set that judges the alias.")
    ],
    manifest: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="JSON: how to read FILE; else as the incumbent's."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the outcome.")] = True,
    timeout: TimeoutOption = PATIENCE_S,
    form: Annotated[Format, typer.Option("--format")] = Format.TABLE,
) -> None:
    """Check outputs against the incumbent; register nothing, and exit as gate does."""
    reference, judging = alias_reference(alias), numbered_reference(evaluation_set)
    document = _manifest(manifest) if manifest else None
    with registry() as client:
        found = client.request_check(
            reference.model,
            reference.alias,
            file,
            str(judging),
            manifest=document,
            progress=Transfer(),
        )
        if wait:
            found = _awaited(client, found["id"], timeout)
        report = report_on_check(found, file.name, client.url)
    show(render(report, form))
    raise typer.Exit(EXIT[report.standing])


def _manifest(path: Path) -> dict[str, Any]:
    document = read_json(path)
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds no JSON object", code="invalid_manifest")
    return document


def _awaited(client: Client, check: int, timeout_s: float) -> Check:
    try:
        return client.wait_for_check(check, timeout_s=timeout_s, watch=Evaluation().of_check)
    except TimedOutError as exc:
        say(f"{exc.code}: {exc}")
        return client.check(check)
