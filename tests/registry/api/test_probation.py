"""The probation of a gallery over the API."""

import pytest

from registry.galleries.models import Gallery
from registry.galleries.services.twins import begin_probation
from tests.builders import backfills as build
from tests.registry.api.conftest import refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    gallery = build.a_gallery("parts")
    former = gallery.live_view.encoder
    build.move_on(gallery)
    begin_probation(gallery, former)
    build.an_insert_of_inputs(gallery, ["new"])
    return gallery


def test_it_says_who_embeds_as_well_until_when_and_how_far_that_is(api, gallery):
    answer = api.get("galleries/parts/probation").json()

    assert answer["encoder"] == str(gallery.probation_encoder)
    assert answer["until"].startswith(gallery.probation_until.date().isoformat())
    assert answer["hours"] == 168
    counts = [answer[f"batches_{state}"] for state in ("done", "waiting", "failed")]
    assert counts == [0, 1, 0]


def test_no_hours_end_it(api, gallery):
    answer = api.send("PUT", "galleries/parts/probation", {"hours": 0}).json()

    assert (answer["encoder"], answer["until"], answer["hours"]) == (None, None, 0)
    assert Gallery.objects.get(pk=gallery.pk).probation_until is None


@pytest.mark.parametrize("hours", [-1, 8785, "long", None])
def test_hours_that_are_none_change_nothing(api, gallery, hours):
    answer = api.send("PUT", "galleries/parts/probation", {"hours": hours})

    assert refusal(answer) == (400, "invalid_input")
    assert Gallery.objects.get(pk=gallery.pk).probation_hours == 168


def test_an_attached_gallery_is_refused(api, gallery):
    Gallery.objects.update(kind="attached", location="elsewhere")

    answer = api.send("PUT", "galleries/parts/probation", {"hours": 3})

    assert refusal(answer) == (409, "gallery_attached")
