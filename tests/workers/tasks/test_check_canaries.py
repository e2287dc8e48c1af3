"""Canaries end to end: drawn or handed in, embedded again in a child, compared, told."""

import numpy as np
import pytest

from registry.core.data import artifact_store
from registry.galleries.models import DriftAlarm, Segment
from registry.galleries.services.attach import Attachment
from registry.galleries.services.check_canaries import request_check, sweep
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.insert import segment_store, submit_inputs
from registry.notify.models import OutboxEvent
from tests.builders import backfills, canaries, toy
from tests.builders import registry as make
from tests.builders.galleries import move, point, put

pytestmark = pytest.mark.django_db


@pytest.fixture
def line():
    """An alias that names the old encoder; the compatible one is a candidate."""
    alias = make.an_alias(make.a_model("line", task="embedding"))
    for kind in ("old", "compatible"):
        backfills.a_runnable_version(alias, toy.encoder(kind))
    point(alias, alias.model.versions.get(number=1))
    alias.refresh_from_db()
    return alias


@pytest.fixture
def abroad(line):
    return create_gallery(
        name="abroad",
        alias=line,
        actor=make.a_user(),
        attachment=Attachment(canaries.WHERE, [(line.version, 5000)]),
    )


def handed_in(queue, gallery, upload, **changes):
    held = queue.act(canaries.hand_in, gallery=gallery, upload=upload, **changes)
    queue.settle()
    held.refresh_from_db()
    return held


def newest(gallery):
    return gallery.canary_checks.first()


def checked(queue, gallery):
    queue.act(request_check, gallery=gallery, actor=gallery.created_by)
    queue.settle()
    return newest(gallery)


def filled(queue, alias):
    """Return a gallery whose items came with their inputs."""
    gallery = make.a_gallery(alias, "here")
    for number, rows in enumerate((40, 30)):
        upload = make.an_artifact(
            toy.items(rows, seed=number, prefix=f"lot{number}"), kind=make.Upload.TABLE
        )
        queue.act(submit_inputs, gallery=gallery, upload=upload, actor=gallery.created_by)
        queue.settle()
    return gallery


def test_what_the_claimed_encoder_made_matches(queue, abroad):
    held = handed_in(queue, abroad, canaries.an_upload("old"))

    assert (held.work_state, held.rows, held.is_current) == ("done", 8, True)
    check = newest(abroad)
    assert (check.cause, check.outcome) == ("handed_in", "matches")
    [result] = check.results
    assert (result["segment"], result["producer"]) == (1, "line:1")
    assert (result["items"], result["over"], result["undefined"]) == (8, 0, 0)
    assert 0 <= check.worst < 1e-9
    assert not DriftAlarm.objects.exists()


def test_vectors_of_another_version_raise_an_alarm_that_names_it(queue, abroad):
    handed_in(queue, abroad, canaries.an_upload("compatible"))

    check = newest(abroad)
    assert check.outcome == "differs"
    [result] = check.results
    assert (result["over"], result["of"]) == (8, ["line:2"])
    assert result["others"] == [{"version": "line:2", "matching": 8, "of": 8, "note": ""}]
    assert result["worst_id"].startswith("canary-")
    [alarm] = DriftAlarm.objects.all()
    assert (alarm.state, alarm.finding[0]["of"]) == ("open", ["line:2"])
    event = OutboxEvent.objects.get(kind="gallery.drift")
    assert event.body["in_words"] == (
        "segment 1: 8 of 8 canaries are not of line:1, they are of line:2"
    )


def test_a_single_foreign_vector_among_true_ones_is_found_and_named(queue, abroad):
    inputs = toy.samples(8, 7)[0]
    mixed = canaries.vectors_of("old", inputs)
    mixed[5] = canaries.vectors_of("compatible", inputs)[5]

    handed_in(queue, abroad, canaries.an_upload(vector=mixed))

    [result] = newest(abroad).results
    assert (result["outcome"], result["over"], result["worst_id"]) == ("differs", 1, "canary-0005")
    assert result["of"] == ["line:2"]


def test_a_version_that_made_only_some_of_the_foreign_vectors_is_not_named(queue, abroad):
    vectors = canaries.vectors_of("compatible", toy.samples(8, 7)[0])
    vectors[:5] = np.random.default_rng(1).normal(size=(5, 2 * toy.SIDE))

    handed_in(queue, abroad, canaries.an_upload(vector=vectors))

    [result] = newest(abroad).results
    assert (result["over"], result["of"]) == (8, [])
    assert result["others"][0]["matching"] == 3


def test_canaries_that_cannot_be_used_leave_those_before_in_force(queue, abroad):
    good = handed_in(queue, abroad, canaries.an_upload())

    bad = handed_in(queue, abroad, canaries.an_upload(vector=np.zeros((8, 12), np.float32)))

    assert (bad.work_state, bad.error_code) == ("failed", "zero_embedding")
    assert not bad.is_current
    good.refresh_from_db()
    assert good.is_current
    assert abroad.canary_checks.count() == 1


def test_items_are_drawn_and_match_through_a_cutover_and_a_backfill(queue, line):
    here = filled(queue, line)

    check = checked(queue, here)

    assert check.outcome == "matches"
    [result] = check.results
    assert result["items"] == 50
    move(here, line.model.versions.get(number=2), covers=[line.version])
    here.refresh_from_db()
    backfill = queue.act(
        backfills.start_backfill, gallery=here, actor=here.created_by, order="oldest"
    )
    queue.settle()
    backfill.refresh_from_db()
    assert backfill.moved == 70
    [moved] = checked(queue, here).results
    assert (moved["segment"], moved["producer"], moved["outcome"]) == (2, "line:2", "matches")
    assert moved["items"] == 50


def test_items_whose_stored_vectors_another_version_made_are_found(queue, line):
    here = filled(queue, line)
    segment = here.segments.get()
    Segment.objects.filter(pk=segment.pk).update(producer=line.model.versions.get(number=2))

    [result] = checked(queue, here).results

    assert (result["producer"], result["over"], result["of"]) == ("line:2", 50, ["line:1"])


def test_a_chunk_that_is_gone_is_an_error_of_its_segment_alone(queue, line):
    here = filled(queue, line)
    move(here, line.model.versions.get(number=2), covers=[line.version])
    here.refresh_from_db()
    upload = make.an_artifact(toy.items(5, prefix="late"), kind=make.Upload.TABLE)
    queue.act(submit_inputs, gallery=here, upload=upload, actor=here.created_by)
    queue.settle()
    for batch in here.batches.filter(segment__number=1):
        segment_store(here.pk, batch.segment_id).path(batch.chunk_digest).unlink()

    check = checked(queue, here)

    assert check.outcome == "errored"
    first, second = check.results
    assert (first["outcome"], first["code"]) == ("errored", "artifact_missing")
    assert second["outcome"] == "matches"
    assert not DriftAlarm.objects.exists()


def test_an_upload_that_is_gone_is_an_error_and_never_a_match(queue, abroad):
    held = handed_in(queue, abroad, canaries.an_upload())
    artifact_store().path(held.upload_id).unlink()

    check = checked(queue, abroad)

    assert (check.outcome, check.results[0]["code"]) == ("errored", "artifact_missing")


def test_the_first_items_of_a_new_encoder_are_checked_once_and_soon(queue, line):
    here = filled(queue, line)
    queue.act(sweep)
    queue.settle()
    assert [c.cause for c in here.canary_checks.all()] == ["new_encoder"]
    move(here, line.model.versions.get(number=2), covers=[line.version])
    queue.act(sweep)
    assert not queue.sent
    here.refresh_from_db()
    upload = make.an_artifact(toy.items(5, prefix="late"), kind=make.Upload.TABLE)
    queue.act(submit_inputs, gallery=here, upload=upload, actor=here.created_by)
    queue.settle()

    for _ in range(2):
        queue.act(sweep)
        queue.settle()

    check, _ = here.canary_checks.all()
    assert (check.cause, check.newest_segment, check.outcome) == ("new_encoder", 2, "matches")


def test_items_that_came_as_vectors_are_no_canaries(queue, line):
    here = make.a_gallery(line, "here")
    vectors = canaries.vectors_of("old", toy.samples(4)[0])
    put(here, dict(zip("abcd", vectors, strict=True)))

    queue.act(sweep)

    assert not here.canary_checks.exists()
