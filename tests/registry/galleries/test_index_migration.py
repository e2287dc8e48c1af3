"""What was sealed before indexes had kinds is described as what it is: flat and whole."""

from importlib import import_module

import pytest
from django.apps import apps

from registry.galleries.models import InsertBatch
from tests.builders.galleries import a_gallery, an_encoder, move, put, seal_with

migration = import_module("registry.galleries.migrations.0003_index_kinds")


@pytest.mark.django_db
def test_an_index_from_before_is_flat_holds_all_batches_and_twice_changes_nothing():
    encoder = an_encoder()
    gallery = a_gallery(encoder, {"a": [1, 0, 0]})
    put(gallery, {"b": [0, 1, 0]})
    move(gallery, an_encoder(gallery.alias), covers=[encoder])
    sealed = seal_with(gallery, b"an index")
    put(gallery, {"c": [0, 0, 1]})
    gallery.segments.update(index_kind="", indexed_rows=0, recall_at_10=None)
    InsertBatch.objects.update(index_digest="")

    for _ in range(2):
        migration.describe_sealed(apps, None)

    sealed.refresh_from_db()
    assert (sealed.index_kind, sealed.indexed_rows, sealed.recall_at_10) == ("flat", 2, 1.0)
    digests = InsertBatch.objects.order_by("pk").values_list("index_digest", flat=True)
    assert list(digests) == [sealed.index_digest, sealed.index_digest, ""]
    growing = gallery.segments.get(state="insert")
    assert (growing.index_kind, growing.indexed_rows) == ("", 0)
