"""Push a candidate."""

from pathlib import Path
from typing import Annotated

import typer

from graceful.answers import Edge, Registered
from graceful.commands.gate import awaited, report_with_waivers
from graceful.commands.progress import Transfer
from graceful.commands.root import (
    PATIENCE_S,
    TimeoutOption,
    app,
    read_json,
    read_text,
    registry,
    say,
    show,
    show_json,
)
from graceful.errors import UsageError
from graceful.formats import Format, render
from graceful.references import PRODUCTION
from graceful.standing import EXIT, Standing
from graceful.text import facts

FileOption = Annotated[Path, typer.Option(exists=True, dir_okay=False)]


@app.command()
def push(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    manifest: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="JSON: signature, preprocessing, output."),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="None for recorded outputs."
        ),
    ] = None,
    parent: Annotated[
        list[str] | None,
        typer.Option(metavar="RELATION=REF", help="Such as retrained_from=faces:1; repeatable."),
    ] = None,
    card: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Markdown.")
    ] = None,
    alias: Annotated[str, typer.Option(help="The alias that the candidate is for.")] = PRODUCTION,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the verdict, and exit as gate does.")
    ] = False,
    timeout: TimeoutOption = PATIENCE_S,
    print_number: Annotated[
        bool, typer.Option("--print-number", help="Write the version's number and nothing else.")
    ] = False,
    form: Annotated[Format, typer.Option("--format")] = Format.TABLE,
) -> None:
    """Register a version and open the upgrade of an alias to it.

    An upload that was interrupted goes on when the same command runs again, and pushing what is
    there already answers with the version that it became.
    """
    parents = [_edge(text) for text in parent or ()]
    with registry() as client:
        registered = client.push(
            model,
            file,
            read_json(manifest),
            parents=parents,
            card=read_text(card) if card else "",
            alias=alias,
            progress=Transfer(),
        )
        link = f"{client.url}/upgrades/{registered['upgrade']}/"
        say(f"{registered['version']['version']}: {link}")
        if wait:
            judged = awaited(client, registered["upgrade"], timeout)
            report = report_with_waivers(client, judged)
    if print_number:
        show(str(registered["version"]["number"]))
    elif wait:
        show(render(report, form))
    else:
        _show_registered(registered, link, form)
    raise typer.Exit(EXIT[report.standing] if wait else EXIT[Standing.PASSED])


def _show_registered(registered: Registered, link: str, form: Format) -> None:
    version = registered["version"]
    about = {"version": version["version"], "number": version["number"]}
    about |= {"upgrade": registered["upgrade"], "link": link}
    if form is Format.JSON:
        show_json(about)
    else:
        show(facts(about.items()))


def _edge(text: str) -> Edge:
    relation, found, reference = text.partition("=")
    if not (relation and found and reference):
        raise UsageError(f"{text!r} is not RELATION=REFERENCE, such as retrained_from=faces:1")
    return {"version": reference, "relation": relation}
