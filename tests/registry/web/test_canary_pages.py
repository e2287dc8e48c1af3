"""Canaries on the pages: the card of a gallery, handing in, the alarm wherever it matters."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from registry.galleries.models import CanaryCheck, DriftAlarm
from registry.galleries.services import check_canaries as checks
from tests.builders import backfills, canaries
from tests.builders import registry as make
from tests.registry.web.conftest import HTMX, outcomes_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def abroad():
    gallery = canaries.an_attached_gallery()
    gallery.name = "abroad"
    gallery.save(update_fields=["name"])
    return gallery


def test_a_gallery_without_canaries_says_how_it_gets_some(pages, abroad):
    words = text_of(pages.get("/galleries/abroad/"))

    assert "Hand some in" in words
    assert "No check has been made yet" in words
    assert "Check now" not in words


def test_items_that_came_as_vectors_are_said_to_be_unchecked(pages):
    make.a_gallery(name="here", items=3)

    response = pages.get("/galleries/here/")

    assert "no item came with its input" in text_of(response)
    assert "waiting" in outcomes_of(response)


def test_an_empty_gallery_says_so(pages):
    make.a_gallery(name="here")

    assert "Canaries are drawn from items that come with their inputs" in text_of(
        pages.get("/galleries/here/")
    )


def test_canaries_that_are_drawn_are_counted_before_the_first_check(pages):
    gallery = backfills.a_gallery("here")
    backfills.an_insert_of_inputs(gallery, [f"item-{i}" for i in range(60)])

    words = text_of(pages.get("/galleries/here/"))

    assert "50 drawn from its items" in words
    assert "not yet" in words
    assert "Check now" in words


def test_past_checks_stand_apart_from_the_segments(pages, abroad):
    canaries.with_canaries(abroad)
    check = canaries.check(abroad)

    words = text_of(pages.get("/galleries/abroad/"))

    assert f"Last checks matches check {check.pk}, {check.get_cause_display()}" in words


def test_a_match_shows_its_worst_drift_beside_the_tolerance(pages, abroad):
    canaries.with_canaries(abroad)
    canaries.check(abroad)

    response = pages.get("/galleries/abroad/")

    words = text_of(response)
    assert "3e-13 1e-4" in words
    assert "8 handed in" in words
    assert "banner" not in response.content.decode()


def test_drift_is_told_on_the_gallery_its_alias_and_the_first_page(pages, abroad):
    canaries.an_alarm(canaries.with_canaries(abroad), of=["m:7"])
    alias = abroad.alias

    for path in ("/galleries/abroad/", f"/models/{alias.model.name}/aliases/production/", "/"):
        words = text_of(pages.get(path))
        assert "8 of 8 canaries are not of" in words
        assert "they are of m:7" in words
        assert "No promotion cuts it over" in words
    assert "8 of 8 differ, they are of m:7" in text_of(pages.get("/galleries/abroad/"))
    listed = text_of(pages.get("/galleries/"))
    assert "drifted" in listed


def test_an_acknowledged_drift_stays_on_the_gallery_and_leaves_the_first_page(pages, abroad):
    canaries.an_alarm(canaries.with_canaries(abroad))

    response = pages.post("/galleries/abroad/drift/acknowledge/", {"reason": "a <b>test</b>"})

    assert response.url == "/galleries/abroad/canaries/"
    alarm = DriftAlarm.objects.get()
    assert (alarm.state, alarm.acknowledged_by.username) == ("acknowledged", "ada")
    body = pages.get("/galleries/abroad/").content.decode()
    assert "a &lt;b&gt;test&lt;/b&gt;" in body
    assert "banner-failed" not in body
    assert "banner" not in pages.get("/").content.decode()


def test_an_acknowledgement_without_a_reason_is_refused_in_words(pages, abroad):
    canaries.an_alarm(canaries.with_canaries(abroad))

    pages.post("/galleries/abroad/drift/acknowledge/", {"reason": " "})

    assert DriftAlarm.objects.get().is_open
    assert "Say why the drift is no harm" in text_of(pages.get("/galleries/abroad/canaries/"))


def test_a_check_is_asked_for_and_followed_until_it_ends(pages, abroad):
    canaries.with_canaries(abroad)
    canaries.check(abroad)

    response = pages.post("/galleries/abroad/canaries/check/")

    assert response.url == "/galleries/abroad/#canaries"
    body = pages.get("/galleries/abroad/").content.decode()
    assert 'hx-get="/galleries/abroad/canaries/"' in body
    polled = pages.get("/galleries/abroad/canaries/", headers=HTMX)
    assert (polled.status_code, b"<html" in polled.content) == (200, False)
    assert 'hx-get="/galleries/abroad/canaries/"' in polled.content.decode()
    canaries.check(abroad)
    ended = pages.get("/galleries/abroad/canaries/", headers=HTMX)
    assert (ended.status_code, ended.headers["HX-Refresh"]) == (286, "true")
    assert "hx-get" not in pages.get("/galleries/abroad/").content.decode()


def test_a_check_that_failed_is_errored_with_its_reason(pages, abroad):
    canaries.with_canaries(abroad)
    job = checks.claim(check_id=CanaryCheck.objects.get().pk)
    checks.fail(job=job, code="time_limit", detail="it ran longer than 7 seconds")

    for path in ("/galleries/abroad/", "/galleries/abroad/canaries/"):
        response = pages.get(path)
        assert "errored" in outcomes_of(response)
        assert "it ran longer than 7 seconds" in text_of(response)


def test_canaries_are_handed_in(pages, abroad):
    upload = SimpleUploadedFile("canaries.npz", make.table_bytes())
    form = {"segment": "1", "tolerance": "0.001", "file": upload}

    response = pages.post("/galleries/abroad/canaries/", form)

    assert response.url == "/galleries/abroad/canaries/"
    held = abroad.canary_sets.get()
    assert (held.segment.number, held.tolerance, held.created_by.username) == (1, 0.001, "ada")
    assert "Canaries for segment 1" in text_of(pages.get("/galleries/abroad/canaries/"))


@pytest.mark.parametrize(
    "changes", [{"segment": "9"}, {"tolerance": "0.5"}, {"tolerance": "nan"}, {"file": None}]
)
def test_a_hand_in_that_cannot_be_is_shown_with_what_is_wrong(pages, abroad, changes):
    upload = SimpleUploadedFile("canaries.npz", make.table_bytes())
    form = {"segment": "1", "tolerance": "0.001", "file": upload} | changes

    response = pages.post(
        "/galleries/abroad/canaries/", {k: v for k, v in form.items() if v is not None}
    )

    assert response.status_code == 422
    assert b"field-error" in response.content
    assert not abroad.canary_sets.exists()


def test_bytes_that_are_no_table_are_refused_with_their_code(pages, abroad):
    upload = SimpleUploadedFile("canaries.npz", b"nonsense")

    response = pages.post(
        "/galleries/abroad/canaries/", {"segment": "1", "tolerance": "0.001", "file": upload}
    )

    assert response.status_code == 422
    assert "wrong_file_type" in text_of(response)


def test_a_gallery_that_holds_its_vectors_offers_no_hand_in(pages):
    make.a_gallery(name="here", items=1)

    assert "Hand in canaries" not in text_of(pages.get("/galleries/here/canaries/"))


def test_the_promotion_page_says_that_the_gallery_has_drifted(pages, abroad):
    upgrade = make.a_judged_upgrade(abroad.alias)
    canaries.an_alarm(canaries.with_canaries(abroad))

    assert "open drift alarm" in text_of(pages.get(f"/upgrades/{upgrade.pk}/promote/"))


def test_every_check_is_listed_with_what_was_tried(pages, abroad):
    canaries.with_canaries(abroad)
    canaries.check(abroad)
    canaries.check(abroad, "differs", of=["m:7"])

    words = text_of(pages.get("/galleries/abroad/canaries/"))

    assert "8 of 8 differ , most of all canary-0002" in words
    assert "m:7: made 8 of them" in words
    assert "1 segment matches" in words
