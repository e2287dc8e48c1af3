"""Previews pass through; shadows start, count and stop."""

import json

import pytest

from compat.policy import Task
from registry.upgrades.models import Shadow
from registry.upgrades.services.count_shadow import Compared, Tally, count_shadow
from tests.builders import registry as make
from tests.registry.api.conftest import Api, StandIn, refusal


@pytest.fixture
def upgrade(db):
    alias = make.an_alias(make.a_model(task=Task.EMBEDDING))
    make.a_promoted_upgrade(alias)
    make.a_gallery(alias, name="faces", items=3)
    return make.a_judged_upgrade(alias)


def path(upgrade, tail=""):
    return f"upgrades/{upgrade.pk}/shadows{tail}"


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("preview", "/preview/galleries/faces"),
        ("preview-samples", "/preview/galleries/faces/samples"),
    ],
)
def test_a_preview_goes_to_the_search_process_as_it_came(
    api: Api,
    upgrade,
    process: StandIn,
    address,
    asked,
):
    process.answer = b'{"flip": "none"}'

    response = api.post(f"galleries/faces/{address}", upgrade=upgrade.pk, input=[1, 2])

    assert (response.status_code, response.json()) == (200, {"flip": "none"})
    assert process.path == asked
    assert json.loads(process.body) == {"upgrade": upgrade.pk, "input": [1, 2]}


def test_what_the_search_process_refuses_keeps_its_code(api, upgrade, process):
    process.status = 400
    process.answer = b'{"code": "query_not_encodable", "detail": "give an input"}'

    answer = api.post("galleries/faces/preview", upgrade=upgrade.pk, vector=[1])

    assert refusal(answer) == (400, "query_not_encodable")


def test_a_shadow_is_started_once_counted_and_stopped(api, upgrade):
    key = {"Idempotency-Key": "one"}
    started = api.post(path(upgrade), key, share=0.5, most_queries=100)
    assert started.status_code == 201
    assert api.post(path(upgrade), key, share=0.5, most_queries=100).json() == started.json()
    assert refusal(api.post(path(upgrade), share=1)) == (409, "shadow_running")

    answers = [Compared(0.9, True, 3.0, 70.0)] * 10
    count_shadow(shadow_id=started.json()["id"], tally=Tally(answers, not_comparable=2))
    [shown] = api.get(path(upgrade)).json()["results"]

    assert (shown["state"], shown["queries"], shown["compared"]) == ("running", 12, 10)
    assert shown["mean_overlap_at_10"] == pytest.approx(0.9)
    assert 0 <= shown["overlap_lower"] < 0.9 < shown["overlap_upper"] <= 1
    assert shown["candidate_latency"]["p95_ms_at_most"] == 100.0
    assert sum(shown["candidate_latency"]["counts"]) == 10

    stopped = api.post(path(upgrade, "/stop")).json()
    assert (stopped["state"], stopped["end"]) == ("over", "stopped")
    assert refusal(api.post(path(upgrade, "/stop"))) == (409, "no_shadow")


def test_a_latency_beyond_the_last_bound_has_none(api, upgrade):
    shadow = api.post(path(upgrade), share=1).json()["id"]
    count_shadow(shadow_id=shadow, tally=Tally([Compared(1.0, True, 3.0, 60_000.0)]))

    [shown] = api.get(path(upgrade)).json()["results"]

    assert shown["candidate_latency"]["p95_ms_at_most"] is None
    assert shown["candidate_latency"]["counts"][-1] == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"share": 0}, "invalid_share"),
        ({"share": 1.5}, "invalid_share"),
        ({"share": "nan"}, "invalid_input"),
        ({}, "invalid_input"),
        ({"share": 1, "most_queries": 0}, "invalid_input"),
        ({"share": 1, "ends_at": "2020-01-01T00:00:00Z"}, "invalid_end"),
    ],
)
def test_what_is_out_of_range_is_refused(api, upgrade, body, code):
    assert refusal(api.post(path(upgrade), **body)) == (400, code)
    assert not Shadow.objects.exists()


def test_an_unknown_upgrade_has_no_shadow(api):
    assert refusal(api.get("upgrades/987/shadows")) == (404, "unknown_upgrade")
    assert refusal(api.post("upgrades/987/shadows", share=1)) == (404, "unknown_upgrade")
    assert refusal(api.post("upgrades/987/shadows/stop")) == (404, "unknown_upgrade")
