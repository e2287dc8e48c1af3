"""Checks in the browser: outputs are judged, told with every number, and nothing is registered."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from compat.measurement import Direction, proportion, undefined
from compat.verdict import Outcome
from registry.catalog.models import ModelVersion
from registry.core import leases
from registry.upgrades.models import Check, Upgrade
from registry.upgrades.services.gates import unpin_set
from registry.web.remedies import REMEDIES
from tests.builders import checks as build
from tests.builders import registry as make
from tests.registry.web.conftest import HTMX, outcomes_of, text_of


def a_form(pin, /, **changes):
    file = SimpleUploadedFile("outputs.npz", make.table_bytes())
    values = {"pin": pin.pk, "file": file, "manifest": ""} | changes
    return {key: value for key, value in values.items() if value is not None}


@pytest.fixture
def pin(db):
    """What judges the candidates of an alias that names a version."""
    return make.a_promoted_upgrade().alias.gate.pins.get()


def test_outputs_are_checked_and_nothing_is_registered(pages, pin):
    before = [model.objects.count() for model in (ModelVersion, Upgrade)]

    response = pages.post("/checks/new/", a_form(pin))

    check = Check.objects.get()
    assert response.url == f"/checks/{check.pk}/"
    assert (check.alias, check.set_revision) == (pin.gate.alias, pin.set_revision)
    assert check.created_by.username == "ada"
    assert before == [model.objects.count() for model in (ModelVersion, Upgrade)]


def test_the_form_says_that_nothing_is_registered(pages, pin):
    assert "Nothing is registered." in text_of(pages.get("/checks/new/"))


def test_without_an_alias_that_is_judged_there_is_no_form(pages):
    make.an_alias()

    response = pages.get("/checks/new/")

    assert "No evaluation set judges an alias yet" in text_of(response)
    assert b'type="file"' not in response.content


def test_the_form_starts_from_the_alias_that_it_was_asked_for(pages, pin):
    make.a_pin(make.an_alias(make.a_model("another")))

    asked = pages.get("/checks/new/", {"alias": str(pin.gate.alias)})

    assert asked.context["form"]["pin"].value() == pin.pk
    assert pages.get("/checks/new/").context["form"]["pin"].value() is None


def test_the_only_alias_that_is_judged_is_chosen_already(pages, pin):
    assert pages.get("/checks/new/").context["form"]["pin"].value() == pin.pk


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"file": None}, 422, "This field is required."),
        ({"file": SimpleUploadedFile("o.npz", b"")}, 422, "The submitted file is empty."),
        ({"file": SimpleUploadedFile("o.npz", b"\x80\x04pickle")}, 422, "wrong_file_type"),
        ({"pin": 999_999}, 422, "It no longer judges that alias. Choose again."),
        ({"pin": "x"}, 422, "It no longer judges that alias. Choose again."),
        ({"manifest": "{"}, 422, "not JSON"),
        ({"manifest": "[]"}, 422, "must be a JSON object"),
        ({"manifest": "{}"}, 422, "invalid_manifest"),
        ({"manifest": json.dumps(make.a_manifest())}, 422, "task_mismatch"),
    ],
)
def test_what_is_wrong_with_a_form_is_told(pages, pin, changes, status, told):
    response = pages.post("/checks/new/", a_form(pin, **changes))

    assert response.status_code == status
    assert told in text_of(response)
    assert not Check.objects.exists()


def test_an_alias_that_names_no_version_asks_how_to_read_the_outputs(pages):
    pin = make.a_pin(make.an_alias())
    manifest = {"output": make.a_manifest()["output"]}

    refused = pages.post("/checks/new/", a_form(pin))
    taken = pages.post("/checks/new/", a_form(pin, manifest=json.dumps(manifest)))

    assert refused.status_code == 409
    assert "alias_empty" in text_of(refused)
    assert b'<details class="hint-details" open>' in refused.content
    assert taken.status_code == 303
    assert "judged as a first version" in text_of(pages.get(taken.url))


def test_a_wrong_form_is_shown_alone_to_htmx(pages, pin):
    response = pages.post("/checks/new/", a_form(pin, file=None), headers=HTMX)

    assert response.status_code == 200
    assert b"<html" not in response.content
    assert "This field is required." in text_of(response)


@pytest.mark.parametrize("outcome", Outcome)
def test_the_banner_says_the_outcome_and_nothing_better(pages, outcome):
    check = build.a_judged_check(outcome=outcome)

    response = pages.get(f"/checks/{check.pk}/")

    assert outcomes_of(response)[0] == outcome
    assert f"banner-{outcome}" in response.content.decode()
    assert "Nothing was registered; this opens no gate." in text_of(response)


def test_rules_are_told_as_on_the_page_of_an_upgrade(pages):
    check = build.a_judged_check()

    words = text_of(pages.get(f"/checks/{check.pk}/"))

    assert "0.1 % 0.0 to 0.5 %" in words
    assert "at most 1 % 1,000 samples" in words
    assert "At most one answer in a hundred may go from right to wrong" in words
    assert "a version against itself shows no difference" in words


def test_every_measurement_is_told_and_what_is_undefined_says_why(pages):
    better, worse = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
    check = build.a_judged_check()
    check.measurements = [
        proportion("accuracy.new", 940, 1000, better).as_json(),
        proportion("pfr", 50, 1000, better).as_json(),
        undefined("nfi", worse, "the new version makes no error").as_json(),
        proportion("accuracy.new", 90, 100, better).as_json() | {"slice": "writer=3"},
    ]
    check.save(update_fields=["measurements"])

    response = pages.get(f"/checks/{check.pk}/")

    assert [m.name for m, _ in response.context["measured"]] == ["accuracy.new", "pfr", "nfi"]
    words = text_of(response)
    assert "undefined: the new version makes no error" in words
    assert "writer=3" in words


def test_a_list_of_flips_that_was_cut_short_says_how_many_there_are(pages):
    check = build.a_judged_check(outcome=Outcome.FAILED, flips=30)

    response = pages.get(f"/checks/{check.pk}/")

    words = text_of(response)
    assert "400 negative, 0 positive" in words
    assert "browse the 30 listed" in words
    assert response.content.count(b'<li class="flip ') == 24


def test_a_thousand_flips_come_in_pages_and_are_filtered(pages):
    check = build.a_judged_check()
    check.flips = [make.a_flip(row, thumbnail=False) for row in range(1000)]
    check.flips[7] |= {"kind": "positive"}
    check.save(update_fields=["flips"])
    path = f"/checks/{check.pk}/flips/"

    last = pages.get(path, {"page": "17"})
    positive = pages.get(path, {"kind": "positive"})
    by_id = pages.get(path, {"id": "SAMPLE-99"})

    assert len(last.context["page"]) == 40
    assert [flip["row"] for flip in positive.context["page"]] == [7]
    assert by_id.context["page"].paginator.count == 11
    assert b"no picture" not in last.content


def test_a_check_without_a_flip_says_so(pages):
    check = build.a_judged_check(flips=0)

    assert "Nothing turned from right to wrong" in text_of(pages.get(f"/checks/{check.pk}/"))
    assert "No flip matches." in text_of(pages.get(f"/checks/{check.pk}/flips/"))


def test_outputs_that_cannot_be_judged_say_what_would_be_right(pages):
    check = build.a_failed_check("ids_missing")

    response = pages.get(f"/checks/{check.pk}/")

    assert outcomes_of(response) == ["errored"]
    words = text_of(response)
    assert "3 ids have no row" in words
    assert REMEDIES["ids_missing"] in words
    assert "ids_missing" in words


def test_a_code_that_nobody_foresaw_is_told_without_advice(pages):
    check = build.a_failed_check("unheard_of")

    words = text_of(pages.get(f"/checks/{check.pk}/"))

    assert "unheard_of" in words
    assert "What would be right" not in words


def test_a_check_waits_for_the_outputs_of_the_incumbent_and_says_so(pages):
    alias = make.a_promoted_upgrade().alias
    make.Outputs.objects.update(work_state="running", progress_done=640, progress_total=1000)
    check = build.a_check(alias)

    words = text_of(pages.get(f"/checks/{check.pk}/"))

    assert f"It waits for the outputs of {alias.version}" in words
    assert "640 of 1,000" in words


def test_the_progress_of_a_check_is_shown_in_numbers(pages):
    check = build.a_check()
    leases.extend(Check, leases.claim(Check, check.pk), 320, 1000)

    response = pages.get(f"/checks/{check.pk}/", headers=HTMX)

    assert outcomes_of(response)[0] == "running"
    assert "320 of 1,000" in text_of(response)


def test_what_has_moved_since_is_told(pages, ada):
    check = build.a_judged_check()
    fresh = pages.get(f"/checks/{check.pk}/").context["moved"]
    upgrade = make.a_promoted_upgrade(check.alias)
    unpin_set(alias=check.alias, pin=check.alias.gate.pins.get(), actor=ada)

    moved = pages.get(f"/checks/{check.pk}/").context["moved"]

    assert fresh == []
    assert moved == [
        f"{check.alias} names {upgrade.candidate} now",
        f"{check.set_revision} no longer judges it",
    ]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, ["pending", "failed", "passed", "errored"]),
        ({"outcome": "pending"}, ["pending"]),
        ({"outcome": "failed"}, ["failed"]),
        ({"outcome": "passed"}, ["passed"]),
        ({"outcome": "errored"}, ["errored"]),
        ({"model": "none"}, []),
    ],
)
def test_checks_are_filtered(pages, query, shown):
    made = {
        "errored": build.a_failed_check(),
        "passed": build.a_judged_check(),
        "failed": build.a_judged_check(outcome=Outcome.FAILED),
        "pending": build.a_check(),
    }

    page = pages.get("/checks/", query).context["page"]

    assert list(page) == [made[name] for name in shown]


def test_checks_of_one_model(pages):
    check, _ = build.a_check(), build.a_check()

    page = pages.get("/checks/", {"model": check.alias.model.name}).context["page"]

    assert list(page) == [check]


def test_a_longer_list_costs_no_further_query(
    pages, django_assert_max_num_queries, django_assert_num_queries
):
    build.a_judged_check()
    with django_assert_max_num_queries(5) as few:
        pages.get("/checks/")
    for _ in range(3):
        build.a_judged_check()

    with django_assert_num_queries(len(few)):
        pages.get("/checks/")


def test_a_huge_check_costs_no_further_query(pages, django_assert_max_num_queries):
    check = build.a_judged_check()
    rule = next(r for r in check.results if r["measurement"])
    check.results = [*check.results, *({**rule, "slice": f"writer={i}"} for i in range(100))]
    check.flips = [make.a_flip(row, thumbnail=False) for row in range(1000)]
    check.save(update_fields=["results", "flips"])

    with django_assert_max_num_queries(10):
        response = pages.get(f"/checks/{check.pk}/")

    assert len(response.context["rules"]) > 100
    assert len(response.content) < 400_000


def test_the_ledger_leads_to_the_check(pages):
    check = build.a_judged_check()

    body = pages.get("/ledger/", {"subject": f"check:{check.pk}"}).content.decode()

    assert f'href="/checks/{check.pk}/"' in body
