"""Where a policy asks for the cost both versions run; one that is gone costs no verdict."""

import pytest

from compat.measurement import Measurement
from registry.core.data import artifact_store
from registry.evaluation.models import Comparison, Outputs
from registry.evaluation.services import comparisons
from tests.builders import toy
from tests.builders.lines import Line

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(queue):
    line = Line(queue, task="classification", rows=60)
    line.push(toy.classifier(0.05))
    queue.settle()
    line.push(toy.classifier(0.0))
    queue.settle()
    return queue, *Outputs.objects.order_by("pk")


def compared(queue, old, new, **asked):
    made = queue.act(comparisons.request_comparison, old=old, new=new, **asked)
    queue.settle()
    return Comparison.objects.get(pk=made.pk)


def costs(comparison):
    assert comparison.work_state == "done", (comparison.error_code, comparison.error_detail)
    found = map(Measurement.from_json, comparison.measurements)
    return {m.name: m for m in found if m.name in ("latency_ratio", "size_ratio")}


def test_models_run_only_where_their_cost_is_asked_for(pair):
    queue, old, new = pair

    assert costs(compared(queue, old, new, asks={"cut_off": 0.5})) == {}
    found = costs(compared(queue, old, new, asks={"cost": True}))

    assert found["latency_ratio"].value > 0
    assert found["latency_ratio"].interval(0.95) is not None
    assert found["size_ratio"].value == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_version_whose_artifact_is_gone_is_compared_without_a_cost(pair, which):
    queue, old, new = pair
    artifact_store().path({"old": old, "new": new}[which].version.artifact_id).unlink()

    comparison = compared(queue, old, new, asks={"cost": True})

    assert {(m.value, m.undefined) for m in costs(comparison).values()} == {
        (None, "artifact_missing")
    }
    assert any(m["name"] == "nfr" for m in comparison.measurements)


def test_recorded_outputs_have_no_cost(pair, monkeypatch):
    queue, old, new = pair
    claim = comparisons.claim

    def recorded(**which):
        from dataclasses import replace

        return replace(claim(**which), new_artifact=None)

    monkeypatch.setattr(comparisons, "claim", recorded)

    found = costs(compared(queue, old, new, asks={"cost": True}))

    assert {(m.value, m.undefined) for m in found.values()} == {(None, "recorded_outputs")}


def test_asks_and_ancestors_reach_the_measurements(pair):
    queue, old, new = pair

    comparison = compared(
        queue, old, new, ancestors=[old], asks={"crossed": [["class", "half"]], "cut_off": 0.5}
    )

    names = {m["name"] for m in comparison.measurements}
    assert {"cumulative_nfr", "acceptance.new", "classes_lost", "top_score_shift"} <= names
    assert any(m["slice"].startswith("class=a&half=") for m in comparison.measurements)
    assert comparison.planted[0]["share"] == 0
    assert comparison.chance is None
