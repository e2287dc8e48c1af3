"""What searches a gallery is chosen once, among what is set up; it can be had made again."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from registry.audit.models import LedgerEntry
from registry.core import env
from registry.core.errors import ConflictError, InvalidInputError
from registry.galleries.engines import configured_engines
from registry.galleries.models import Gallery, Segment
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.publish_again import publish_again
from tests.builders import galleries as build
from tests.builders import registry as make


@pytest.mark.django_db
def test_a_gallery_is_kept_in_files_unless_another_engine_is_named():
    assert build.a_gallery().engine == "files"
    assert build.a_gallery(engine="pgvector").engine == "pgvector"
    entries = LedgerEntry.objects.filter(action="gallery.create").order_by("pk")
    assert [json.loads(entry.body_json)["engine"] for entry in entries] == ["files", "pgvector"]


@pytest.mark.django_db
def test_an_engine_that_is_not_set_up_is_refused(settings):
    settings.VECTORS_URL = ""

    with pytest.raises(ConflictError) as refused:
        build.a_gallery(engine="pgvector")
    with pytest.raises(InvalidInputError) as unknown:
        build.a_gallery(engine="qdrant_local")

    assert refused.value.code == "engine_not_configured"
    assert unknown.value.code == "unknown_engine"
    assert configured_engines() == ["files"]
    assert not Gallery.objects.exists()


def test_vectors_need_a_postgresql_of_their_own(monkeypatch):
    registry = env.database("DATABASE_URL", "unused")
    for wrong in ("sqlite:////tmp/vectors", "mysql://a/b"):
        monkeypatch.setenv("VECTORS_URL", wrong)
        with pytest.raises(ImproperlyConfigured):
            env.vectors_database("VECTORS_URL", registry)

    monkeypatch.setenv("VECTORS_URL", "postgres://me:secret@db.example:5433/registry")
    found = env.vectors_database("VECTORS_URL", registry)
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.example", "5433", "registry")
    with pytest.raises(ImproperlyConfigured, match="another database"):
        env.vectors_database("VECTORS_URL", found)


@pytest.mark.django_db
def test_indexes_are_made_again_for_what_has_one_or_could_not_get_one():
    gallery = build.a_gallery(items={"a": [1, 0, 0]})
    segment = gallery.segments.get()
    assert publish_again(gallery=gallery, actor="ann") == 0
    for state, digest, due in (
        ("done", "d" * 64, 1),
        ("failed", "", 1),
        ("queued", "d" * 64, 0),
        ("running", "d" * 64, 0),
    ):
        Segment.objects.filter(pk=segment.pk).update(
            work_state=state, index_digest=digest, error_code="x", attempt=9, attempt_limit=9
        )
        assert publish_again(gallery=gallery, actor="ann") == due
        segment.refresh_from_db()
        assert segment.work_state == ("queued" if due else state)
        assert segment.index_digest == digest
        if due:
            assert (segment.error_code, segment.attempt_limit) == ("", 12)
    assert LedgerEntry.objects.filter(action="gallery.publish_again", actor="ann").count() == 5


@pytest.mark.django_db
def test_the_command_queues_them_or_says_why_not(capsys):
    gallery = build.a_gallery(items={"a": [1, 0, 0]})
    gallery.segments.update(index_digest="d" * 64)

    call_command("publish_again", gallery.name)

    assert capsys.readouterr().out == f"1 segments of {gallery.name} are queued\n"
    with pytest.raises(CommandError, match="unknown_gallery"):
        call_command("publish_again", "nothing")


@pytest.mark.django_db
def test_an_attached_gallery_has_no_engine_here():
    from registry.galleries.services.attach import Attachment

    alias = make.a_promoted_upgrade(make.an_alias(make.a_model("embedder", task="embedding"))).alias
    gallery = create_gallery(
        name="elsewhere", alias=alias, actor=make.a_user(), attachment=Attachment("s3://there")
    )

    with pytest.raises(ConflictError) as refused:
        publish_again(gallery=gallery, actor="ann")
    assert refused.value.code == "gallery_attached"
