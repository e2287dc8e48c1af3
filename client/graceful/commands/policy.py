"""Policies: check a text, show what guards an alias, set one for a scope, let a scope inherit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from graceful.answers import EffectivePolicy, PolicyProblem
from graceful.client import Client
from graceful.commands.root import (
    Shape,
    ShapeOption,
    app,
    read_text,
    registry,
    say,
    show,
    show_json,
)
from graceful.errors import UsageError
from graceful.references import PolicyPlace, alias_reference, numbered_reference
from graceful.report import ASKED
from graceful.standing import EXIT, Standing
from graceful.text import Row, columns, facts

policy = typer.Typer(no_args_is_help=True, help="Check, show and set policies.")
app.add_typer(policy, name="policy")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)]
GroupOption = Annotated[str, typer.Option(help="The models of this group; with --task.")]
TaskOption = Annotated[str, typer.Option(help="classification or embedding.")]
EverythingOption = Annotated[str, typer.Option(metavar="TASK", help="Every model of this task.")]

PARTS = {"rules": "upgrades", "first_version": "first version"}


@policy.command()
def lint(
    file: FileArgument,
    place: Annotated[
        str,
        typer.Option("--for", metavar="MODEL[@ALIAS]", help="Would it hold there, too?"),
    ] = "",
) -> None:
    """Ask the registry whether a file (YAML or JSON) is a policy; nothing is kept.

    Prints file:line: message for each thing that is wrong. Exit 1 if it is no policy.
    """
    model, _, alias = place.partition("@")
    if place:
        PolicyPlace.of(place)
    with registry() as client:
        found = client.verify_policy(read_text(file), model=model, alias=alias)
    if not found["verified"]:
        for problem in found["problems"]:
            say(_line(file, problem))
        say(f"{file}: {found['code']}" + ("" if found["problems"] else f": {found['detail']}"))
        raise typer.Exit(EXIT[Standing.FAILED])
    show(f"{file}: a policy for {found['task']}")
    if found["effective_policy"]:
        show(f"\nwould hold for {place}:\n\n{_effective(found['effective_policy'])}")


@policy.command("show")
def show_policy(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="[REFERENCE]",
            help="MODEL@ALIAS, or a policy such as strict:2; without one: what is set where",
        ),
    ] = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Show a policy, or what guards an alias and where each rule comes from."""
    with registry() as client:
        if not reference:
            _show_scopes(client, form)
        elif "@" in reference:
            _show_effective(client, reference, form)
        else:
            _show_revision(client, reference, form)


@policy.command("set")
def set_policy(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL[@ALIAS]] [POLICY]",
            help="Where, unless an option says it; and a revision such as strict:2",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="YAML or JSON; a revision of --name."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the policy that --file belongs to.")] = "",
    group: GroupOption = "",
    task: TaskOption = "",
    everything: EverythingOption = "",
) -> None:
    """Set a policy for an alias, a model, a group or everything; what is narrower inherits it.

    Verdicts made under another policy become stale and are made again.
    """
    place, rest = _place(names or [], group, task, everything)
    if len(rest) != (0 if file else 1) or bool(file) != bool(name):
        raise UsageError("name a revision, or give --file together with --name")
    with registry() as client:
        revision = client.add_policy(name, read_text(file))["policy"] if file else rest[0]
        numbered_reference(revision)
        client.set_policy(place, revision)
    show(f"{place} is guarded by {revision}")


@policy.command("unset")
def unset_policy(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL[@ALIAS]]", help="Where.")
    ] = None,
    group: GroupOption = "",
    task: TaskOption = "",
    everything: EverythingOption = "",
) -> None:
    """Let an alias, a model or a group inherit again."""
    place, rest = _place(names or [], group, task, everything)
    if rest:
        raise UsageError("name one scope")
    with registry() as client:
        client.unset_policy(place)
    show(f"{place} inherits its policy")


@policy.command("group")
def set_group(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    group: Annotated[str, typer.Argument(metavar="[GROUP]", help="Left out: no group.")] = "",
) -> None:
    """Let a model belong to a group, and inherit its policy; or to none."""
    with registry() as client:
        found = client.set_group(model, group)
    show(f"{model} belongs to {found['group'] or 'no group'}")


def _place(
    names: Sequence[str], group: str, task: str, everything: str
) -> tuple[PolicyPlace, list[str]]:
    """Return the scope that a command line names, and the names that are left."""
    if bool(group) != bool(task) or (group and everything):
        raise UsageError("--group goes with --task, and neither with --everything")
    if everything:
        return PolicyPlace.everything(everything), list(names)
    if group:
        return PolicyPlace.of_group(task, group), list(names)
    if not names:
        raise UsageError("name MODEL@ALIAS, MODEL, --group with --task, or --everything")
    return PolicyPlace.of(names[0]), list(names[1:])


def _line(file: Path, problem: PolicyProblem) -> str:
    where = f"{file}:{problem['line']}" if problem["line"] else str(file)
    path = f"{problem['path']}: " if problem["path"] else ""
    return f"{where}: {path}{problem['detail']}"


def _show_scopes(client: Client, form: Shape) -> None:
    found = list(client.policy_scopes())
    if form is Shape.JSON:
        show_json(found)
        return
    rows = ((one["where"], one["task"], one["policy"]) for one in found)
    show(columns(("set for", "task", "policy"), rows))


def _show_effective(client: Client, reference: str, form: Shape) -> None:
    alias = alias_reference(reference)
    gate = client.gate(alias.model, alias.alias)
    effective = gate["effective_policy"]
    pins = [pin["evaluation_set"] for pin in gate["pins"]]
    if form is Shape.JSON:
        show_json({"policy": gate["policy"], "effective_policy": effective, "pins": pins})
        return
    show(f"{facts([('judged on', ', '.join(pins) or '-')])}\n{_effective(effective)}")


def _show_revision(client: Client, reference: str, form: Shape) -> None:
    numbered = numbered_reference(reference)
    found = client.policy(numbered.name, numbered.number)
    if form is Shape.JSON:
        show_json({"policy": found, "pins": None})
        return
    document = found["document"]
    about = [
        ("policy", found["policy"]),
        ("inherits", document.get("inherits", False)),
        ("level", document.get("level")),
        ("confidence", document.get("confidence")),
    ]
    if "without" in document:
        about.append(("without", ", ".join(document["without"]) or "-"))
    head = ("applies to", "rule", "measurement", "asked", "on", "samples", "promise", "advisory")
    rows = [
        (*_row(part, rule), rule.get("promise", "always"), rule.get("advisory", False))
        for part, rule in _rules(document)
    ]
    show(facts(about) + "\n\n" + columns(head, rows))


def _effective(found: EffectivePolicy) -> str:
    """Return a policy after inheritance as text: its layers, and where each rule comes from."""
    set_by = {layer["scope"]: layer["policy"] or "this file" for layer in found["layers"]}
    document, origins = found["document"], found["origins"]
    about = [
        ("policy", " > ".join(f"{scope} ({policy})" for scope, policy in set_by.items())),
        ("level", _from(found["level"], origins.get("level"))),
        ("confidence", _from(document.get("confidence"), origins.get("confidence"))),
    ]
    known = {(rule["part"], rule["name"]): rule for rule in found["rules"]}
    rows: list[Row] = []
    for part, rule in _rules(document):
        its = known[part, rule["name"]]
        effect = its["effect"].replace("_", " ")
        rows.append((*_row(part, rule), effect, f"{its['scope']} ({set_by[its['scope']]})"))
    head = ("applies to", "rule", "measurement", "asked", "on", "samples", "effect", "comes from")
    return facts(about) + "\n\n" + columns(head, rows)


def _from(value: object, origin: str | None) -> str:
    return f"{value} (from {origin})" if origin else f"{value} (unless told)"


def _rules(document: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(part, rule) for part in PARTS for rule in document.get(part, ())]


def _row(part: str, rule: Mapping[str, Any]) -> Row:
    bound, threshold = rule.get("bound", ""), rule.get("threshold")
    asked = f"{ASKED.get(bound, bound)} {threshold}" if threshold is not None else "-"
    return (
        PARTS[part],
        rule.get("name"),
        rule.get("measurement"),
        asked,
        " ".join(rule.get("slices", ())) or "-",
        rule.get("min_support", 1),
    )
