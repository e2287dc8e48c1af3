"""Trying a query: side by side, each hit marked, flips told where labels are known."""

import pytest
from django.urls import reverse

from compat.policy import Task
from registry.core.errors import UnavailableError
from registry.evaluation.models import SetRevision
from registry.galleries.services.attach import Attachment
from registry.galleries.services.create_gallery import create_gallery
from registry.upgrades.models import Shadow
from registry.upgrades.services.count_shadow import Compared, Tally, count_shadow
from registry.upgrades.services.start_shadow import start_shadow
from registry.upgrades.services.withdraw import withdraw
from registry.web.pages import previews
from tests.builders import registry as make
from tests.registry.web.conftest import HTMX, labels_of, labels_said_twice, text_of

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def hit(name, change, by=0, label="cat"):
    return {
        "id": name, "score": 0.98765, "label": label, "change": change, "by": by,
        "picture": PICTURE,
    }  # fmt: skip


def side(encoder, *hits, skipped=()):
    return {
        "encoder": encoder, "hits": list(hits), "skipped": list(skipped), "merged_by": "score",
        "timings_ms": {"total": 4.25},
    }  # fmt: skip


def grounds(mode="evidence"):
    return {
        "gallery": "faces", "upgrade": 1, "mode": mode, "verdict_stands": mode == "evidence",
        "searchable_items": 3, "unsearchable_items": 0, "labels_from": ["judge:1"],
    }  # fmt: skip


def query(label="cat"):
    return {"kind": "sample", "name": "<q-7>", "row": 7, "label": label, "picture": PICTURE}


def an_answer(flip="negative", mode="evidence", label="cat"):
    return grounds(mode) | {
        "epoch": 3,
        "query": query(label),
        "live": side("m:1", hit("a", "moved_down", 1), hit("<b>", "gone")),
        "preview": side("m:2", hit("c", "new", label="dog"), hit("a", "moved_down", 1)),
        "overlap_at_10": 0.5,
        "flip": flip,
    }


def a_draw():
    row = {
        "query": query(), "live": {"id": "a", "label": "cat"}, "preview": None,
        "overlap_at_10": 0.0, "flip": "negative",
    }  # fmt: skip
    return grounds() | {
        "evaluation_set": "judge:1", "seed": 4, "queries": 1, "mean_overlap_at_10": 0.0,
        "negative_flips": 1, "positive_flips": 0, "unknown_flips": 0, "rows": [row],
    }  # fmt: skip


@pytest.fixture
def upgrade(db):
    alias = make.an_alias(make.a_model("m", task=Task.EMBEDDING))
    make.a_promoted_upgrade(alias)
    make.a_gallery(alias, name="faces", items=3)
    made = make.a_judged_upgrade(alias)
    pinned = alias.gate.pins.get().set_revision
    summary = pinned.summary | {"input": {"dtype": "uint8", "shape": [8, 8]}}
    SetRevision.objects.filter(pk=pinned.pk).update(summary=summary)
    return made


@pytest.fixture
def asked(monkeypatch):
    """What the search process was asked, and what it answers."""
    made = {"bodies": [], "answer": an_answer(), "draw": a_draw()}

    def one(gallery, body):
        made["bodies"].append(body)
        return made["answer"]

    def many(gallery, body):
        made["bodies"].append(body)
        return made["draw"]

    monkeypatch.setattr(previews, "preview", one)
    monkeypatch.setattr(previews, "preview_samples", many)
    return made


def page(upgrade):
    return reverse("upgrade_try", args=[upgrade.pk])


def pinned(upgrade):
    return str(upgrade.alias.gate.pins.get().set_revision)


def test_the_upgrade_page_leads_to_it(pages, upgrade):
    assert page(upgrade) in pages.get(reverse("upgrade", args=[upgrade.pk])).content.decode()


def test_nothing_is_asked_before_a_person_asks(pages, upgrade, asked):
    text = text_of(pages.get(page(upgrade)))

    assert asked["bodies"] == []
    assert "20 queries of" in text


def test_its_two_forms_go_by_different_labels(pages, upgrade):
    response = pages.get(page(upgrade))

    assert {"like the item", "20 queries of"} <= set(labels_of(response))
    assert labels_said_twice(response) == []


def test_an_item_is_tried_and_every_hit_is_marked(pages, upgrade, asked):
    response = pages.get(page(upgrade), {"gallery": "faces", "item_id": "slip-1"})
    words, html = text_of(response), response.content.decode()

    assert asked["bodies"] == [{"upgrade": upgrade.pk, "item_id": "slip-1"}]
    assert "Negative flip" in words
    assert "both have 50 %" in words
    assert html.count('class="hit hit-') == 4
    assert "down 1" in words
    assert "gone" in words
    assert "is dog, wrong" in words
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_one_query_of_a_set_and_where_labels_come_from_are_passed_on(pages, upgrade, asked):
    named = pinned(upgrade)
    chosen = {"gallery": "faces", "evaluation_set": named, "row": "7", "labels_from": named}

    assert pages.get(page(upgrade), chosen).status_code == 200

    assert asked["bodies"] == [
        {
            "upgrade": upgrade.pk,
            "labels_from": named,
            "sample": {"evaluation_set": named, "row": 7},
        }
    ]


def test_a_draw_is_a_table_whose_rows_lead_to_each_query(pages, upgrade, asked):
    chosen = {"gallery": "faces", "evaluation_set": pinned(upgrade), "seed": "4"}

    response = pages.get(page(upgrade), chosen)
    words, html = text_of(response), response.content.decode()

    assert asked["bodies"][0]["seed"] == 4
    assert "1 negative and 0 positive flips" in words
    assert "row=7" in html
    assert "seed=5" in html


def test_where_labels_are_not_known_no_flip_is_claimed(pages, upgrade, asked):
    asked["answer"] = an_answer("unknown", label=None)

    words = text_of(pages.get(page(upgrade), {"gallery": "faces", "item_id": "x"}))

    assert "is not known: no set here knows the label of the query" in words
    assert "wrong" not in words


@pytest.mark.parametrize(
    ("mode", "said"),
    [("dual_query", "This is a dual query"), ("nothing", "nothing of it would be found")],
)
def test_what_lets_the_candidate_be_asked_is_said(pages, upgrade, asked, mode, said):
    asked["answer"] = an_answer(mode=mode)

    assert said in text_of(pages.get(page(upgrade), {"gallery": "faces", "item_id": "x"}))


def test_a_search_process_that_is_down_is_told(pages, upgrade, asked, monkeypatch):
    def down(gallery, body):
        raise UnavailableError("the search process does not answer", code="search_unavailable")

    monkeypatch.setattr(previews, "preview", down)

    response = pages.get(page(upgrade), {"gallery": "faces", "item_id": "x"})

    assert response.status_code == 503
    assert "the search process does not answer" in text_of(response)


@pytest.mark.parametrize(
    "chosen",
    [
        {"gallery": "faces"},
        {"gallery": "elsewhere", "item_id": "x"},
        {"gallery": "faces", "evaluation_set": "none:1"},
        {"gallery": "faces", "item_id": "x", "labels_from": "none:1"},
    ],
)
def test_what_is_not_offered_is_not_asked(pages, upgrade, asked, chosen):
    response = pages.get(page(upgrade), chosen)

    assert response.status_code == 422
    assert asked["bodies"] == []


def test_a_closed_upgrade_and_one_without_a_gallery_here_say_why(pages, upgrade, asked):
    withdraw(upgrade_id=upgrade.pk, actor=make.a_user())
    assert "the upgrade is withdrawn" in text_of(pages.get(page(upgrade)))

    alias = make.an_alias(make.a_model(task=Task.EMBEDDING))
    version = make.a_promoted_upgrade(alias).candidate
    create_gallery(
        name="theirs", alias=alias, actor=make.a_user(), attachment=Attachment("x", [(version, 1)])
    )
    other = make.a_judged_upgrade(alias)
    assert "no gallery that is searched here" in text_of(pages.get(page(other)))


def shadow_page(upgrade, tail=""):
    return reverse(f"upgrade_shadow{tail}", args=[upgrade.pk])


def test_a_shadow_is_started_followed_and_stopped(pages, upgrade, ada):
    started = pages.post(shadow_page(upgrade), {"percent": "12.5", "hours": "2"})
    assert started.url.endswith("#shadow")
    shadow = Shadow.objects.get()
    assert (shadow.share, shadow.started_by) == (0.125, ada)
    assert shadow.ends_at is not None
    answers = [Compared(0.9, False, 3.0, 6000.0)] * 10
    count_shadow(shadow_id=shadow.pk, tally=Tally(answers, dropped=3))

    words = text_of(pages.get(reverse("upgrade", args=[upgrade.pk])))
    polled = pages.get(shadow_page(upgrade), headers=HTMX)

    assert "12.5 % of the queries" in words
    assert f", ends {shadow.ends_at:%Y-%m-%d %H:%M} UTC" in words
    assert "10 compared, 0 not comparable, 0 failed, 3 dropped" in words
    assert "90.0 %" in words
    assert "more than 5,000 ms" in words
    assert 'hx-trigger="every 3s"' in polled.content.decode()

    assert pages.post(shadow_page(upgrade, "_stop")).status_code == 303
    over = pages.get(shadow_page(upgrade), headers=HTMX)
    assert over.status_code == 286
    assert "stopped by a person" in text_of(pages.get(shadow_page(upgrade)))


@pytest.mark.parametrize("given", [{"percent": "0"}, {"percent": "101"}, {"percent": "x"}, {}])
def test_a_share_that_is_none_starts_nothing(pages, upgrade, given):
    assert pages.post(shadow_page(upgrade), given).status_code == 303
    assert not Shadow.objects.exists()
    assert "Share of queries, in %: " in text_of(pages.get(shadow_page(upgrade)))


def test_a_second_shadow_is_not_offered(pages, upgrade):
    start_shadow(upgrade_id=upgrade.pk, share=1, actor=make.a_user())

    assert "Start a shadow" not in text_of(pages.get(shadow_page(upgrade)))
