"""Moves of a live pointer by raw SQL, as a shell or future code might try them."""

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from registry.galleries.models import Gallery, View, ViewSegment
from tests.builders.galleries import a_gallery, an_alias, an_encoder, move, put


def a_grown_gallery() -> Gallery:
    """Return a gallery with items in its sealed segment and in that of inserts."""
    alias = an_alias()
    old, new = an_encoder(alias), an_encoder(alias)
    gallery = a_gallery(old, {"early": [1, 0, 0]})
    move(gallery, new, covers=[old])
    put(gallery, {"late": [0, 1, 0]})
    gallery.refresh_from_db()
    return gallery


def a_view_without(gallery: Gallery, *left_out: int) -> View:
    """Return a copy of the live view that forgets the segments with these numbers."""
    live = gallery.live_view
    view = View.objects.create(
        gallery=gallery,
        number=gallery.views.count() + 1,
        encoder=live.encoder,
        insert_segment=live.insert_segment,
        created_at=timezone.now(),
    )
    ViewSegment.objects.bulk_create(
        ViewSegment(
            view=view,
            segment=entry.segment,
            encoder=entry.encoder,
            searchable=entry.segment.number != 1,
            evidence=entry.evidence if entry.segment.number != 1 else "",
        )
        for entry in live.entries.select_related("segment")
        if entry.segment.number not in left_out
    )
    return view


def refused_moves(gallery: Gallery) -> dict[str, str]:
    """Return what must be refused, as the end of an UPDATE of the gallery, by what it does."""
    epoch, live = gallery.epoch, gallery.live_view_id
    other = a_view_without(gallery).pk
    foreign = a_gallery().live_view_id
    forgetful = {
        f"forgets segment {number}": a_view_without(gallery, number).pk for number in (1, 2)
    }
    return {
        "keeps the epoch": f"live_view_id = {other}",
        "skips an epoch": f"live_view_id = {other}, epoch = {epoch + 2}",
        "goes back": f"live_view_id = {other}, epoch = {epoch - 1}",
        "keeps the view": f"epoch = {epoch + 1}",
        "takes another gallery's view": f"live_view_id = {foreign}, epoch = {epoch + 1}",
        "points nowhere": f"live_view_id = NULL, epoch = {epoch + 1}",
        **{name: f"live_view_id = {view}, epoch = {epoch + 1}" for name, view in forgetful.items()},
        "hides among other columns": f"description = 'x', live_view_id = {live}, epoch = 0",
    }


def allowed_move(gallery: Gallery) -> str:
    """Return the end of an UPDATE to a view that lists every segment, one not searched."""
    return f"live_view_id = {a_view_without(gallery).pk}, epoch = {gallery.epoch + 1}"


def refusal_of(gallery: Gallery, what: str) -> str:
    """Carry an UPDATE out; return the first line of its refusal, or nothing."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE galleries_gallery SET {what} WHERE id = {gallery.pk}")
    except IntegrityError as exc:
        return str(exc).splitlines()[0]
    return ""
