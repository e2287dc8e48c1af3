"""How long a rollback finds at once what was inserted since."""

from typing import Annotated

import typer

from graceful.commands.root import Shape, ShapeOption, app, registry, show, show_json
from graceful.text import facts


@app.command()
def probation(
    gallery: Annotated[str, typer.Argument(help="Name of the gallery.")],
    hours: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Set how long it lasts; 0: there is none."),
    ] = None,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Show or set how long the former encoder embeds what is inserted as well."""
    with registry() as client:
        found = client.probation(gallery) if hours is None else client.set_probation(gallery, hours)
    if form is Shape.JSON:
        show_json(found)
        return
    waiting, failed = found["batches_waiting"], found["batches_failed"]
    twins = f"{found['batches_done']} done, {waiting} waiting, {failed} failed"
    show(
        facts(
            [
                ("gallery", found["gallery"]),
                ("hours", found["hours"]),
                ("embedded as well by", found["encoder"] or "-"),
                ("until", found["until"] or "-"),
                ("batches embedded twice", twins),
            ]
        )
    )
