"""What was measured between two versions."""

from typing import Annotated

import typer

from graceful.answers import Comparison, Measurement, Upgrade
from graceful.client import Client
from graceful.commands.root import Shape, ShapeOption, app, registry, show, show_json
from graceful.errors import UsageError
from graceful.references import NumberedReference, numbered_reference
from graceful.text import Row, cell, columns, interval

CONFIDENCE = "0.95"


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Such as faces:1")] = "",
    new: Annotated[str, typer.Argument(metavar="NEW", help="Such as faces:3")] = "",
    upgrade: Annotated[
        int, typer.Option(min=0, metavar="ID", help="All comparisons of an upgrade instead.")
    ] = 0,
    slices: Annotated[bool, typer.Option("--slices", help="With every slice.")] = False,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Show the measurements of two versions that were compared, or of an upgrade."""
    if bool(upgrade) == bool(old or new) or bool(old) != bool(new):
        raise UsageError("name two versions, or an upgrade with --upgrade")
    with registry() as client:
        if upgrade:
            found = _comparisons(client, client.upgrade(upgrade))
        else:
            found = _between(client, numbered_reference(old), numbered_reference(new))
    if form is Shape.JSON:
        show_json(found)
        return
    show("\n\n".join(_table(comparison, slices=slices) for comparison in found))


def _comparisons(client: Client, upgrade: Upgrade) -> list[Comparison]:
    verdict = upgrade["verdict"]
    found = [client.comparison(one) for one in verdict["comparisons"]] if verdict else []
    if not found:
        raise UsageError(f"upgrade {upgrade['id']} was not compared yet", code="not_compared")
    return found


def _between(client: Client, old: NumberedReference, new: NumberedReference) -> list[Comparison]:
    """Return the comparisons of two versions that some verdict on the newer one used."""
    found: dict[int, Comparison] = {}
    for summary in client.upgrades(model=new.name):
        if summary["candidate"] != str(new) or summary["outcome"] is None:
            continue
        for comparison in _comparisons(client, client.upgrade(summary["id"])):
            if (comparison["old"], comparison["new"]) == (str(old), str(new)):
                found[comparison["id"]] = comparison
    if not found:
        raise UsageError(f"no verdict compares {new} with {old}", code="not_compared")
    return list(found.values())


def _table(comparison: Comparison, *, slices: bool) -> str:
    producer = f", vectors of {comparison['producer']}" if comparison["producer"] else ""
    title = (
        f"{comparison['old']} -> {comparison['new']} on {comparison['evaluation_set']}{producer}: "
        f"{comparison['flip_count']} flips listed"
    )
    rows = [_row(m) for m in comparison["measurements"] if slices or not m["slice"]]
    head = ("measurement", "slice", "value", f"interval {CONFIDENCE}", "samples", "better")
    return f"{cell(title)}\n{columns(head, rows)}"


def _row(found: Measurement) -> Row:
    bounds = found["bounds"]
    lower = bounds.get("lower", {}).get(CONFIDENCE)
    upper = bounds.get("upper", {}).get(CONFIDENCE)
    value = f"undefined: {found['undefined']}" if found["undefined"] else found["value"]
    better = found["direction"].removesuffix("_is_better")
    return (
        found["name"],
        found["slice"] or "-",
        value,
        interval(lower, upper),
        found["support"],
        better,
    )
