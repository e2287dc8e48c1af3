"""Lists: search, pages, empty states, and how many queries they cost whatever their length."""

import pytest
from django.utils import timezone

from registry.catalog.models import ModelVersion
from registry.web.standings import standing_of
from tests.builders import registry as make
from tests.builders.waivers import a_waived_promotion
from tests.registry.web.conftest import text_of

EMPTY = {
    "/": "Two first steps",
    "/models/": "No model is registered yet",
    "/upgrades/": "No upgrade here",
    "/checks/": "No check yet",
    "/checks/new/": "No evaluation set judges an alias yet",
    "/evaluation-sets/": "No evaluation set yet",
    "/policies/": "No policy yet",
    "/galleries/": "No gallery yet",
    "/new/gallery/": "No embedding model serves yet",
    "/ledger/": "No entry matches",
    "/tokens/": "No token yet",
}


@pytest.mark.parametrize(("path", "words"), EMPTY.items())
def test_an_empty_page_says_what_to_do(pages, path, words):
    assert words in text_of(pages.get(path))


def test_the_first_steps_go_once_they_are_done(pages):
    make.a_pin(make.an_alias())

    assert "Two first steps" not in text_of(pages.get("/"))


@pytest.mark.parametrize("path", ["/models/", "/evaluation-sets/", "/galleries/"])
def test_lists_are_searched_by_name(pages, path):
    for name in ("apple", "pear"):
        alias = make.a_promoted_upgrade(make.an_alias(make.a_model(name, task="embedding"))).alias
        make.a_gallery(alias, name=name)
        make.a_set_revision(name)

    found = pages.get(path, {"q": "ppl"})

    names = [str(row) for row in found.context["page"]]
    assert names == ["apple"]
    assert "matches “zzz”" in text_of(pages.get(path, {"q": "zzz"}))


def test_a_model_is_registered(pages):
    form = {"name": "digits", "task": "embedding", "description": "", "card": ""}

    response = pages.post("/new/model/", form)

    assert response.url == "/models/digits/"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("no spaces please", 422, "invalid_name"), ("taken", 409, "duplicate_model")],
)
def test_a_model_that_cannot_be_registered_is_told(pages, name, status, code):
    make.a_model("taken")

    response = pages.post("/new/model/", {"name": name, "task": "embedding"})

    assert response.status_code == status
    assert code in text_of(response)


def grow(kind, count):
    for _ in range(count):
        if kind == "galleries":
            make.a_gallery(items=1)
        elif kind == "sets":
            make.a_set_revision()
        elif kind == "policies":
            make.a_policy_revision()
        else:
            make.a_judged_upgrade(make.a_promoted_upgrade().alias)


@pytest.mark.parametrize(
    ("path", "kind", "most"),
    [
        ("/", "upgrades", 12),
        ("/models/", "upgrades", 7),
        ("/upgrades/", "upgrades", 5),
        ("/evaluation-sets/", "sets", 5),
        ("/policies/", "policies", 7),
        ("/galleries/", "galleries", 5),
        ("/ledger/", "upgrades", 6),
    ],
)
def test_a_longer_list_costs_no_further_query(
    pages, django_assert_max_num_queries, django_assert_num_queries, path, kind, most
):
    grow(kind, 1)
    with django_assert_max_num_queries(most) as few:
        pages.get(path)
    grow(kind, 3)

    with django_assert_num_queries(len(few)):
        pages.get(path)


def test_the_page_of_a_model_costs_no_further_query_for_a_further_version(
    pages, django_assert_max_num_queries, django_assert_num_queries
):
    alias = make.a_promoted_upgrade(make.an_alias(make.a_model("m"))).alias
    make.a_judged_upgrade(alias)
    with django_assert_max_num_queries(20) as few:
        pages.get("/models/m/")
    for _ in range(3):
        make.a_judged_upgrade(alias)

    with django_assert_num_queries(len(few)):
        pages.get("/models/m/")


@pytest.mark.parametrize("path", ["/models/m/", "/models/m/aliases/production/"])
def test_a_further_waiver_that_is_owed_costs_no_further_query(
    pages, django_assert_max_num_queries, django_assert_num_queries, path
):
    alias = make.an_alias(make.a_model("m"))
    a_waived_promotion(alias, itemised=True)
    with django_assert_max_num_queries(35) as few:
        pages.get(path)
    for _ in range(3):
        a_waived_promotion(alias, itemised=True)

    with django_assert_num_queries(len(few)):
        pages.get(path)


def test_a_thousand_versions_come_in_pages(pages, ada, django_assert_max_num_queries):
    version = make.a_version(make.a_model("m"))
    ModelVersion.objects.bulk_create(
        ModelVersion(
            model=version.model,
            number=number,
            artifact=version.artifact,
            manifest=version.manifest,
            digest=make.a_digest(),
            state="ready",
            created_by=ada,
            created_at=timezone.now(),
        )
        for number in range(2, 1002)
    )

    with django_assert_max_num_queries(20):
        response = pages.get("/models/m/", {"page": "2"})

    assert "26–50 of 1,001 versions" in text_of(response)
    assert len(response.content) < 200_000


@pytest.mark.parametrize(
    ("query", "states"),
    [
        ({}, ["passed", "failed", "serving"]),
        ({"state": "open"}, ["passed", "failed"]),
        ({"state": "promoted"}, ["serving"]),
        ({"outcome": "failed"}, ["failed"]),
        ({"model": "none"}, []),
    ],
)
def test_upgrades_are_filtered(pages, query, states):
    alias = make.a_promoted_upgrade().alias
    make.a_judged_upgrade(alias, outcome=make.Outcome.FAILED)
    make.a_judged_upgrade(alias)

    page = pages.get("/upgrades/", query).context["page"]

    assert [standing_of(u).word for u in page] == states
