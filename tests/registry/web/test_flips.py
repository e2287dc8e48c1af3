"""The flip browser: filters, pages, and pictures from the store."""

import pytest

from registry.evaluation.models import Comparison
from tests.builders import registry as make
from tests.registry.web.conftest import text_of


def flip(row, **changes):
    values = {"row": row, "id": f"s-{row}", "kind": "negative", "label": "cat", "old": "cat"}
    return values | {"new": "dog", "thumbnail": False} | changes


@pytest.fixture
def browsed(pages):
    """An upgrade with 130 flips, ten of them positive."""
    upgrade = make.a_judged_upgrade(make.a_promoted_upgrade().alias)
    comparison = Comparison.objects.order_by("pk").last()
    comparison.flips = [flip(i, new="owl" if i % 2 else "dog") for i in range(120)]
    comparison.flips += [flip(200 + i, kind="positive", label="dog") for i in range(10)]
    comparison.save(update_fields=["flips"])
    return f"/upgrades/{upgrade.pk}/flips/{comparison.pk}/"


def rows(response):
    return [f["row"] for f in response.context["page"]]


def test_flips_come_in_pages(pages, browsed):
    first, last = pages.get(browsed), pages.get(browsed, {"page": "3"})

    assert len(rows(first)) == 60
    assert len(rows(last)) == 10
    assert "1–60 of 130 flips" in text_of(first)


def test_a_page_beyond_the_last_is_the_last(pages, browsed):
    assert len(rows(pages.get(browsed, {"page": "99"}))) == 10


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"kind": "positive"}, 10),
        ({"kind": "negative", "new": "owl"}, 60),
        ({"label": "dog"}, 10),
        ({"label": "wolf"}, 0),
    ],
)
def test_filters_narrow(pages, browsed, query, count):
    assert pages.get(browsed, query).context["page"].paginator.count == count


def test_the_pager_keeps_the_filter(pages, browsed):
    body = pages.get(browsed, {"kind": "negative"}).content.decode()

    assert 'href="?kind=negative&amp;page=2"' in body


def test_a_comparison_of_another_upgrade_is_not_found(pages, browsed):
    other = make.a_comparison()

    response = pages.get(browsed.rsplit("/", 2)[0] + f"/{other.pk}/")

    assert response.status_code == 404


def test_a_picture_comes_from_the_store_and_cannot_act(pages):
    comparison = make.a_comparison()

    response = pages.get(f"/comparisons/{comparison.pk}/flips/0.png")

    assert b"".join(response.streaming_content) == make.PNG
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("thumbnail", [False, True, None])
def test_a_flip_without_a_picture_has_none(pages, thumbnail):
    comparison = make.a_comparison()
    comparison.flips = [flip(7, thumbnail=thumbnail)]
    comparison.save(update_fields=["flips"])

    assert pages.get(f"/comparisons/{comparison.pk}/flips/7.png").status_code == 404
    assert pages.get(f"/comparisons/{comparison.pk}/flips/8.png").status_code == 404


def test_a_picture_whose_bytes_are_gone_is_not_found(pages):
    comparison = make.a_comparison()
    comparison.flips = [flip(7, thumbnail="0" * 64)]
    comparison.save(update_fields=["flips"])

    response = pages.get(f"/comparisons/{comparison.pk}/flips/7.png")

    assert response.status_code == 404
    assert b"artifact_missing" in response.content
