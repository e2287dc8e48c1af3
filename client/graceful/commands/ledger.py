"""The ledger: verified by the registry, or offline from an export, without trusting anybody."""

from pathlib import Path
from typing import Annotated

import typer

from graceful import ledger as chain
from graceful.commands.root import app, registry, say, show
from graceful.errors import UsageError
from graceful.standing import EXIT, Standing

ledger = typer.Typer(no_args_is_help=True, help="Verify and export the ledger.")
app.add_typer(ledger, name="ledger")


@ledger.command()
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="An export, verified offline."
        ),
    ] = None,
    head: Annotated[
        str,
        typer.Option(
            metavar="SEQ:HASH", help="Noted at an earlier time; finds a rewritten or cut tail."
        ),
    ] = "",
) -> None:
    """Verify the chain; exit 1 where it does not hold."""
    if file is not None:
        raise typer.Exit(chain.main([str(file), *(["--head", head] if head else [])]))
    if head:
        raise UsageError("--head goes with an export; make one with: graceful ledger export FILE")
    with registry() as client:
        found = client.verify_ledger()
    if not found["verified"]:
        say(f"NOT VERIFIED: {found['detail']}")
        raise typer.Exit(EXIT[Standing.FAILED])
    show(f"verified {found['seq']} entries, head {found['seq']}:{found['hash']}")


@ledger.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, writable=True)],
) -> None:
    """Download the whole ledger: one JSON object a line."""
    with registry() as client:
        client.export_ledger(file)
    say(f"exported to {file}")
