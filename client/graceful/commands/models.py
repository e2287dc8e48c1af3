"""Look at models and versions."""

from typing import Annotated

import typer

from graceful.answers import Model, Upgrade, Version
from graceful.client import Client
from graceful.commands.gate import report_with_waivers
from graceful.commands.root import Shape, ShapeOption, app, registry, show, show_json
from graceful.commands.waiver import table_of
from graceful.errors import RefusedError
from graceful.formats import Format, render
from graceful.formats.json import as_document
from graceful.report import Report
from graceful.standing import Standing
from graceful.text import Row, columns, facts, printable


@app.command()
def models(
    search: Annotated[str, typer.Argument(help="Part of a name or a description.")] = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """List models and what serves."""
    with registry() as client:
        found = list(client.models(search))
    if form is Shape.JSON:
        show_json(found)
    else:
        show(columns(("model", "task", "versions", "aliases"), map(_row, found)))


@app.command("show")
def show_version(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="faces:3, faces@production, faces@sha256:...")
    ],
    alias: Annotated[
        str, typer.Option(help="For which alias it was judged; the newest unless given.")
    ] = "",
    form: Annotated[Format, typer.Option("--format")] = Format.TABLE,
) -> None:
    """Show a version and its verdict; the exit code is 0 whatever the verdict."""
    with registry() as client:
        version = client.resolve(reference)
        report = _report(client, version, alias)
        owed = {
            name: client.alias(version["model"], name)["waivers_owed"]
            for name in version["aliases"]
        }
    if form is Format.JSON:
        show_json({"version": version, "report": as_document(report), "waivers_owed": owed})
        return
    if form is Format.TABLE:
        show(_about(version) + "\n")
    show(render(report, form))
    if form is Format.TABLE:
        for name, waivers in owed.items():
            if waivers:
                show(f"\n{name} serves under waivers that nothing has repaid yet:")
                show(table_of(waivers))


def _row(model: Model) -> Row:
    serving = ", ".join(f"{alias['name']}={alias['version'] or '-'}" for alias in model["aliases"])
    return (model["name"], model["task"], model["last_number"], serving or "-")


def _about(version: Version) -> str:
    parents = ", ".join(f"{e['relation']} {e['version']}" for e in version["parents"])
    error = version["error"]
    return facts(
        [
            ("version", version["version"]),
            ("state", f"{version['state']} ({error['code']})" if error else version["state"]),
            ("aliases", ", ".join(version["aliases"]) or "-"),
            ("parents", parents or "-"),
            ("digest", version["digest"]),
            ("file", printable(version["file_name"]) or "-"),
            ("bytes", version["size_bytes"]),
            ("created", f"{version['created_at']} by {version['created_by']}"),
        ]
    )


def _report(client: Client, version: Version, alias: str) -> Report:
    try:
        found: Upgrade = client.upgrade_to(version["model"], version["number"], alias=alias)
    except RefusedError as exc:
        if exc.code != "unknown_upgrade":
            raise
        return _never_proposed(client, version, alias)
    return report_with_waivers(client, found)


def _never_proposed(client: Client, version: Version, alias: str) -> Report:
    return Report(
        standing=Standing.PENDING,
        state="not proposed",
        alias=f"{version['model']}@{alias or '-'}",
        candidate=version["version"],
        incumbent="",
        policy="",
        kind="",
        upgrade=0,
        url=f"{client.url}/models/{version['model']}/versions/{version['number']}/",
        lines=(),
        steps=(),
    )
