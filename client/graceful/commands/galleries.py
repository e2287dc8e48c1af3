"""Look at galleries."""

from typing import Annotated

import typer

from graceful.answers import GalleryDetail, LiveView
from graceful.commands.root import Shape, ShapeOption, app, registry, show, show_json
from graceful.text import columns, facts

HEAD = ("gallery", "follows", "encoder", "epoch", "items")


@app.command()
def galleries(
    name: Annotated[str, typer.Argument(help="Show this one with its segments.")] = "",
    live: Annotated[
        bool, typer.Option("--live", help="Show its live pointer: what makes which query.")
    ] = False,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """List galleries, or show one: which encoder answers which segment."""
    with registry() as client:
        if name and live:
            view = client.live_view(name)
            show_json(view) if form is Shape.JSON else show(_live(view))
            return
        if name:
            found = client.gallery(name)
            show_json(found) if form is Shape.JSON else show(_one(found))
            return
        listed = list(client.galleries())
    if form is Shape.JSON:
        show_json(listed)
        return
    rows = [
        (g["name"], f"{g['model']}@{g['alias']}", g["encoder"], g["epoch"], g["items"])
        for g in listed
    ]
    show(columns(HEAD, rows))


def _one(gallery: GalleryDetail) -> str:
    about = facts(
        [
            ("gallery", gallery["name"]),
            ("follows", f"{gallery['model']}@{gallery['alias']}"),
            ("kind", gallery["kind"]),
            ("location", gallery["location"] or "-"),
            ("searched by", "its owner" if gallery["location"] else gallery["engine"]),
            ("encoder", gallery["encoder"]),
            ("epoch", gallery["epoch"]),
            ("items", gallery["items"]),
            ("drift", gallery["drift"]["in_words"] if gallery["drift"] else "-"),
        ]
    )
    rows = [
        (s["number"], s["producer"], s["live_items"], s["searchable"], s["evidence"] or "-")
        for s in gallery["segments"]
    ]
    return (
        about + "\n\n" + columns(("segment", "producer", "items", "searchable", "evidence"), rows)
    )


def _live(view: LiveView) -> str:
    about = facts([("gallery", view["gallery"]), ("epoch", view["epoch"]), ("view", view["view"])])
    encoders = [
        (e["version"], e["dimension"], e["distance"], e["normalisation"], e["download"] or "-")
        for e in view["encoders"]
    ]
    segments = [
        (s["segment"], s["producer"], s["encoder"], s["searchable"], s["evidence"] or "-")
        for s in view["segments"]
    ]
    return "\n\n".join(
        (
            about,
            columns(("encoder", "dimension", "distance", "normalisation", "download"), encoders),
            columns(("segment", "producer", "queried by", "searchable", "evidence"), segments),
        )
    )
