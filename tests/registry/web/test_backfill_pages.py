"""The pages of a backfill: what it would take, how far it is, what it is worth."""

import pytest

from compat.measurement import LEVELS, Direction, Measurement, undefined
from registry.audit.models import LedgerEntry
from registry.evaluation.models import Comparison, Outputs
from registry.galleries.models import Backfill
from registry.web.spans import duration, months, plain
from tests.builders import backfills as build
from tests.builders import registry as make
from tests.registry.web.conftest import HTMX, outcomes_of, text_of

pytestmark = pytest.mark.django_db

PAGE = "/galleries/shelf/backfill/"


@pytest.fixture
def gallery():
    return build.a_gallery_to_backfill(6, name="shelf")


@pytest.fixture
def compared():
    """A gallery whose two versions were compared on one set, and the comparison."""
    gallery = make.a_gallery(name="shelf")
    build.an_insert_of_inputs(gallery, [f"item-{i}" for i in range(6)])
    upgrade = make.a_judged_upgrade(gallery.alias)
    make.promote(upgrade_id=upgrade.pk, actor=gallery.created_by)
    comparison = Comparison.objects.exclude(old_digest=upgrade.candidate.digest).get(
        new_digest=upgrade.candidate.digest
    )
    outputs = comparison.new_outputs
    Outputs.objects.filter(pk=outputs.pk).update(result={"rows": 100, "duration_s": 60_000})
    return gallery, comparison


def measure(comparison, **values):
    cells = []
    for name, value in values.items():
        full = f"map.{name}"
        if value is None:
            cells.append(undefined(full, Direction.HIGHER_IS_BETTER, "dimensions_differ"))
            continue
        bounds = {
            "lower": {repr(level): value - 0.01 for level in LEVELS},
            "upper": {repr(level): value + 0.01 for level in LEVELS},
        }
        cells.append(
            Measurement(full, value, 500, Direction.HIGHER_IS_BETTER, bounds=bounds, clusters=500)
        )
    comparison.measurements = [cell.as_json() for cell in cells]
    comparison.save(update_fields=["measurements"])


def test_what_can_be_moved_is_counted_and_started(pages, gallery):
    words = text_of(pages.get(PAGE))
    assert "Move 6 items" in words
    assert "has embedded nothing here yet" in words

    response = pages.post(PAGE, {"order": "oldest", "rate_limit_per_s": "4"})

    assert response.url == PAGE
    backfill = Backfill.objects.get()
    assert (backfill.order, backfill.rate_limit_per_s) == ("oldest", 4)
    assert "One is open" in text_of(pages.get(PAGE))


@pytest.mark.parametrize("rate", ["nan", "0", "-1", "1e9", "fast"])
def test_a_rate_that_is_none_is_refused_in_the_form(pages, gallery, rate):
    response = pages.post(PAGE, {"order": "random", "rate_limit_per_s": rate})

    assert response.status_code == 422
    assert b"field-error" in response.content
    assert not Backfill.objects.exists()


def test_a_running_backfill_polls_and_says_when_it_will_end(pages, gallery):
    backfill = build.a_backfill(gallery)
    build.a_step(backfill, busy_s=3600)

    whole = pages.get(PAGE + "?price_per_hour=3")
    poll = pages.get(PAGE, headers=HTMX)

    assert b'hx-trigger="every 2s"' in whole.content
    assert "2 of 6 items" in text_of(whole)
    assert "4 items, 2.00 h until about" in text_of(whole).replace("\xa0", " ")
    assert "which cost 3.00" in text_of(whole)
    assert (poll.status_code, b"<html" in poll.content) == (200, False)


def test_a_poll_stops_at_the_end(pages, gallery):
    backfill = build.a_backfill(gallery, group_rows=6)
    build.a_step(backfill)

    response = pages.get(PAGE, headers=HTMX)

    assert response.status_code == 286
    assert outcomes_of(response) == ["quiet"]
    assert b"every 2s" not in pages.get(PAGE).content


def test_it_is_paused_resumed_and_stopped_and_what_is_refused_is_told(pages, gallery):
    backfill = build.a_backfill(gallery)
    path = f"{PAGE}{backfill.pk}/"

    for verb, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        assert pages.post(path, {"verb": verb}).url == PAGE
        backfill.refresh_from_db()
        assert backfill.state == state
    again = pages.post(path, {"verb": "resume"}, follow=True)

    assert "cannot resume" in text_of(again)
    assert LedgerEntry.objects.order_by("-seq")[0].action == "gallery.backfill_resume"
    assert pages.post(path, {"verb": "destroy"}).status_code == 404


def test_items_without_inputs_are_told_and_not_offered(pages):
    gallery = build.a_gallery("shelf")
    make.an_insert(gallery, ["a", "b"])
    build.move_on(gallery)

    words = text_of(pages.get(PAGE))

    assert "2 items came as vectors" in words
    assert "There is nothing to move" in words


def test_a_gallery_says_how_many_items_nothing_searches(pages, gallery):
    producers = [segment.producer for segment in gallery.segments.order_by("number")]
    assert build.a_step(build.a_backfill(gallery, group_rows=6))
    build.move(gallery, producers[0])

    words = text_of(pages.get("/galleries/shelf/"))

    assert "6 items are not searched until" in words


def test_the_economics_are_read_from_the_comparison_with_their_source(pages, compared):
    gallery, comparison = compared
    measure(comparison, old_old=0.5, new_old=0.6, new_new=0.7, new_mixed50=0.65)

    words = text_of(
        pages.get("/galleries/shelf/economics/?price_per_hour=10&value_per_point_month=1")
    ).replace("\xa0", " ")

    assert "old_old 0.500 0.490 to 0.510" in words
    assert "50% moved 0.650" in words
    assert "update gain 50 %" in words
    assert "gain of a backfill +0.100" in words
    assert "undefined: name a version that was trained without the constraint" in words
    assert f"comparison {comparison.pk} on" in words
    # 6 items at 600 s each are one hour: 10, against 10 points at 1 a month.
    assert "Cost 10.0 at 10.0 an hour" in words
    assert "30.4 days" in words


def test_a_paragon_gives_the_tax_and_a_smaller_update_gain(pages, compared):
    gallery, comparison = compared
    measure(comparison, old_old=0.5, new_old=0.6, new_new=0.7)
    rival = make.a_judged_upgrade(gallery.alias)
    judged = Comparison.objects.filter(new_digest=rival.candidate.digest).last()
    measure(judged, new_new=0.75)

    response = pages.get(f"/galleries/shelf/economics/?paragon={rival.candidate.pk}")
    words = text_of(response).replace("\xa0", " ")

    assert "update gain 40 %" in words
    assert "compatibility tax +0.050" in words
    assert f"from comparison {judged.pk}" in words


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"old_old": 0.7, "new_old": 0.6, "new_new": 0.6}, "would gain nothing"),
        ({"old_old": 0.5, "new_old": None, "new_new": 0.7}, "different lengths"),
        ({}, "was not compared"),
    ],
)
def test_what_is_undefined_stays_so_with_its_reason(pages, compared, cells, said):
    measure(compared[1], **cells)

    words = text_of(pages.get("/galleries/shelf/economics/?price_per_hour=1"))

    assert said in words
    assert "Undefined:" in words


def test_spans_are_read_as_people_write_them():
    assert duration(None) == "–"
    assert duration(0.5).replace("\xa0", " ") == "below 1 s"
    assert duration(5400).replace("\xa0", " ") == "1.50 h"
    assert months(1).replace("\xa0", " ") == "30.4 days"
    shown = [plain(x) for x in (1234.5, 99.94, 1.0, 0.007, 0.0012345, 1e-12)]
    assert shown == ["1,234", "99.9", "1.00", "0.00700", "0.00123", "nearly 0"]
