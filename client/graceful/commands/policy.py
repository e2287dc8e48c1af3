"""Policies: check a document, show what guards an alias, let another one guard it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graceful.client import Client
from graceful.commands.root import (
    AliasArgument,
    Shape,
    ShapeOption,
    app,
    read_json,
    registry,
    say,
    show,
    show_json,
)
from graceful.errors import UsageError
from graceful.references import alias_reference, numbered_reference
from graceful.report import ASKED
from graceful.standing import EXIT, Standing
from graceful.text import Row, columns, facts

policy = typer.Typer(no_args_is_help=True, help="Check, show and choose policies.")
app.add_typer(policy, name="policy")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)]


@policy.command()
def lint(file: FileArgument) -> None:
    """Ask the registry whether a document is a policy; nothing is kept. Exit 1 if it is none."""
    document = read_json(file)
    with registry() as client:
        found = client.verify_policy(document)
    if not found["verified"]:
        say(f"{file}: {found['code']}: {found['detail']}")
        raise typer.Exit(EXIT[Standing.FAILED])
    show(f"{file}: a policy for {found['task']}")


@policy.command("show")
def show_policy(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="MODEL@ALIAS, or a policy such as strict:2")
    ],
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Show a policy, or what guards an alias."""
    with registry() as client:
        found, pins = _found(client, reference)
    if form is Shape.JSON:
        show_json({"policy": found, "pins": pins})
        return
    about = [("policy", found["policy"]), ("confidence", found["document"].get("confidence"))]
    if pins is not None:
        about.append(("judged on", ", ".join(pins) or "-"))
    head = ("applies to", "rule", "measurement", "asked", "samples", "advisory")
    show(facts(about) + "\n\n" + columns(head, _rows(found["document"])))


@policy.command("set")
def set_policy(
    alias: AliasArgument,
    revision: Annotated[
        str, typer.Argument(metavar="POLICY", help="A revision such as strict:2")
    ] = "",
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A document; becomes a revision of --name."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the policy that --file belongs to.")] = "",
) -> None:
    """Let a policy revision guard an alias; verdicts made under another one become stale."""
    reference = alias_reference(alias)
    if bool(revision) == bool(file) or bool(file) != bool(name):
        raise UsageError("name a revision, or give --file together with --name")
    with registry() as client:
        if file is not None:
            revision = client.add_policy(name, read_json(file))["policy"]
        gate = client.choose_policy(reference.model, reference.alias, revision)
    show(f"{reference} is guarded by {gate['policy']['policy']}")


def _found(client: Client, reference: str) -> tuple[Any, list[str] | None]:
    if "@" in reference:
        alias = alias_reference(reference)
        gate = client.gate(alias.model, alias.alias)
        return gate["policy"], [pin["evaluation_set"] for pin in gate["pins"]]
    numbered = numbered_reference(reference)
    return client.policy(numbered.name, numbered.number), None


def _rows(document: dict[str, Any]) -> list[Row]:
    parts = {"rules": "upgrades", "first_version": "first version"}
    return [_row(rule, where) for part, where in parts.items() for rule in document.get(part, ())]


def _row(rule: dict[str, Any], where: str) -> Row:
    bound, threshold = rule.get("bound", ""), rule.get("threshold")
    asked = f"{ASKED.get(bound, bound)} {threshold}" if threshold is not None else "-"
    return (
        where,
        rule.get("name"),
        rule.get("measurement"),
        asked,
        rule.get("min_support", 1),
        rule.get("advisory", False),
    )
