"""Comparisons: one for each pair, set, producer, ask and line of ancestors."""

import hashlib

import pytest

from registry.audit.chain import canonical
from registry.core import leases
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison, Outputs
from registry.evaluation.selectors import comparison_of
from registry.evaluation.services import comparisons
from registry.evaluation.services.comparisons import request_comparison
from registry.evaluation.services.outputs import request_outputs
from tests.builders import registry as build

pytestmark = pytest.mark.django_db

ASKS = {"severity": {"stop": 5.0}, "crossed": [["class", "ink"]]}


@pytest.fixture
def rows():
    model, revision = build.a_model(), build.a_set_revision()
    made = [request_outputs(version=build.a_version(model), revision=revision) for _ in range(4)]
    build.compute_outputs()
    return [Outputs.objects.get(pk=row.pk) for row in made]


def finish(comparison, **changes):
    job = comparisons.claim(comparison_id=comparison.pk)
    result = build.a_comparison_result("classification") | changes
    assert comparisons.record(job=job, result=result, samples_digest=build.a_digest())
    comparison.refresh_from_db()
    return job


def test_the_same_question_is_asked_once(rows):
    old, new, *ancestors = rows

    first = request_comparison(old=old, new=new, ancestors=ancestors, asks=ASKS)
    again = request_comparison(old=old, new=new, ancestors=ancestors[::-1], asks=dict(ASKS))

    assert first == again
    assert Comparison.objects.count() == 1


def test_other_asks_and_other_ancestors_are_other_comparisons(rows):
    old, new, *ancestors = rows

    made = {
        request_comparison(old=old, new=new, **question).pk
        for question in (
            {},
            {"asks": ASKS},
            {"asks": {"cut_off": 0.5}},
            {"ancestors": ancestors},
            {"ancestors": ancestors[:1]},
            {"asks": ASKS, "ancestors": ancestors},
        )
    }

    assert len(made) == 6


def test_digests_are_of_the_canonical_asks_and_the_sorted_versions(rows):
    old, new, *ancestors = rows

    plain = request_comparison(old=old, new=new, asks={})
    asked = request_comparison(old=old, new=new, ancestors=ancestors, asks=ASKS)

    assert (plain.asks_digest, plain.ancestors_digest, plain.ancestors) == ("", "", [])
    versions = ",".join(sorted(row.version_digest for row in ancestors))
    assert asked.ancestors_digest == hashlib.sha256(versions.encode()).hexdigest()
    assert asked.asks_digest == hashlib.sha256(canonical(ASKS).encode()).hexdigest()
    assert sorted(asked.ancestors) == sorted(row.pk for row in ancestors)


def test_an_ancestor_that_is_named_twice_counts_once(rows):
    old, new, *ancestors = rows

    once = request_comparison(old=old, new=new, ancestors=ancestors)

    assert request_comparison(old=old, new=new, ancestors=ancestors * 2) == once
    assert len(once.ancestors) == 2


def test_the_job_carries_the_asks_the_ancestors_and_both_manifests(rows):
    old, new, *ancestors = rows
    comparison = request_comparison(old=old, new=new, ancestors=ancestors, asks=ASKS)

    job = comparisons.claim(comparison_id=comparison.pk)

    assert job.asks == ASKS
    assert sorted(job.ancestor_files) == sorted(row.file_digest for row in ancestors)
    assert (job.old_manifest, job.new_manifest) == (old.version.manifest, new.version.manifest)
    assert (job.old_artifact, job.new_artifact) == (
        old.version.artifact_id,
        new.version.artifact_id,
    )


def test_what_was_planted_and_the_level_of_chance_are_kept(rows):
    comparison = request_comparison(old=rows[0], new=rows[1])
    planted = [{"share": 0.0, "measurements": []}]

    finish(comparison, planted=planted, chance=0.25)

    assert (comparison.planted, comparison.chance) == (planted, 0.25)


def test_of_several_comparisons_of_a_pair_a_finished_one_is_preferred_then_the_newest(rows):
    old, new = rows[:2]

    def found():
        return comparison_of(old.version_digest, new.version_digest, old.set_digest)

    first, second, third = (
        request_comparison(old=old, new=new, asks={"cut_off": c}) for c in (0.1, 0.2, 0.3)
    )
    assert found() == third
    finish(first)
    assert found() == first
    finish(second)
    assert found() == second
    leases.fail(Comparison, leases.claim(Comparison, third.pk), "gave_up", "")
    assert found() == second
    assert Comparison.objects.get(pk=third.pk).work_state == WorkState.FAILED
