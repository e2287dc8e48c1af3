"""Transitive levels: every version whose promise still stands, and the budget along the chain."""

import pytest

from compat.measurement import Direction, proportion
from compat.policy import Task
from compat.verdict import Outcome
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison
from registry.evaluation.services import comparisons
from registry.upgrades.models import Upgrade
from registry.upgrades.policy_scopes import Place
from registry.upgrades.services.advance import advance, is_stale
from registry.upgrades.services.gates import ensure_alias
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.policy_scopes import choose_policy
from registry.upgrades.services.promote import promote
from registry.upgrades.services.propose import propose
from registry.upgrades.services.situation import situation_of
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


def set_layer(alias, **layer):
    document = {"task": alias.model.task, "inherits": True, **layer}
    revision = add_policy_revision(
        name=build.a_name("policy"), document=document, actor=build.a_user()
    )
    choose_policy(place=Place.of_alias(alias), revision=revision, actor=build.a_user())


@pytest.fixture
def line():
    """An alias that was promoted three times, and now promises what its chain did."""
    alias = build.an_alias()
    versions = [build.a_promoted_upgrade(alias).candidate for _ in range(3)]
    set_layer(alias, level="backward_transitive")
    return alias, versions


def work(upgrade, *, cumulative=0, against=1):
    """Do what the workers do: ``cumulative`` flips along the chain, ``against`` older versions."""
    advance(upgrade_id=upgrade.pk)
    build.compute_outputs()
    advance(upgrade_id=upgrade.pk)
    incumbent = situation_of(upgrade).incumbent
    for row in Comparison.objects.filter(work_state=WorkState.QUEUED):
        job = comparisons.claim(comparison_id=row.pk)
        is_main = row.old_digest == incumbent.digest
        result = build.a_comparison_result(job.task)
        if is_main and row.ancestors:
            result["measurements"].append(flips("cumulative_nfr", cumulative))
        if not is_main:
            result["measurements"][0] = flips("nfr", against)
        comparisons.record(job=job, result=result, samples_digest=build.a_digest())
    return advance(upgrade_id=upgrade.pk)


def flips(name, count):
    return proportion(name, count, 1000, Direction.LOWER_IS_BETTER).as_json()


def blamed(upgrade):
    return [r for r in upgrade.verdict.results if r["outcome"] == Outcome.FAILED]


def asked(upgrade):
    return set(
        Comparison.objects.filter(new_digest=upgrade.candidate.digest).values_list(
            "old_digest", flat=True
        )
    )


def test_a_candidate_is_held_against_every_version_that_was_promoted(line):
    alias, versions = line

    upgrade = work(build.an_upgrade(alias))

    assert asked(upgrade) == {version.digest for version in versions}
    assert upgrade.verdict.outcome == Outcome.PASSED
    against = {r["against"] for r in upgrade.verdict.results}
    assert against == {"", str(versions[0]), str(versions[1])}


def test_flips_against_an_older_version_block(line):
    alias, _ = line

    upgrade = work(build.an_upgrade(alias), against=300)

    assert upgrade.verdict.outcome == Outcome.FAILED
    failed = {(r["rule"], r["against"]) for r in blamed(upgrade)}
    assert {rule for rule, _ in failed} == {"negative flips"}
    assert "" not in {against for _, against in failed}


def test_many_small_budgets_cannot_add_up_unseen(line):
    alias, versions = line

    upgrade = work(build.an_upgrade(alias), cumulative=100)

    assert upgrade.verdict.outcome == Outcome.FAILED
    (main,) = Comparison.objects.filter(
        old_digest=versions[-1].digest, new_digest=upgrade.candidate.digest
    )
    assert len(main.ancestors) == 3
    assert [r["rule"] for r in blamed(upgrade)] == ["cumulative flips"]


def test_a_chain_that_was_not_measured_keeps_the_gate_shut(line):
    upgrade = build.an_upgrade(line[0])
    advance(upgrade_id=upgrade.pk)
    build.compute_outputs()
    advance(upgrade_id=upgrade.pk)
    build.compare()

    assert advance(upgrade_id=upgrade.pk).verdict.outcome == Outcome.INCONCLUSIVE


def test_only_as_many_promotions_as_the_policy_counts_still_stand(line):
    alias, versions = line
    set_layer(alias, level="backward_transitive", promotions=2)

    upgrade = work(build.an_upgrade(alias))

    assert asked(upgrade) == {version.digest for version in versions[1:]}


def test_a_version_that_another_alias_names_still_stands(line):
    alias, versions = line
    set_layer(alias, level="backward_transitive", promotions=1)
    staging = ensure_alias(model=alias.model, name="staging")
    build.a_pin(staging)
    other = propose(alias=staging, candidate=versions[0], actor=build.a_user())
    build.judge(other)
    promote(upgrade_id=other.pk, actor=build.a_user())

    upgrade = work(build.an_upgrade(alias))

    assert asked(upgrade) >= {versions[0].digest, versions[2].digest}
    assert versions[1].digest not in asked(upgrade)


def test_the_verdict_is_stale_when_another_promise_comes_to_stand(line):
    alias, versions = line
    set_layer(alias, level="backward_transitive", promotions=1)
    upgrade = work(build.an_upgrade(alias))
    staging = ensure_alias(model=alias.model, name="staging")
    build.a_pin(staging)
    other = propose(alias=staging, candidate=versions[0], actor=build.a_user())
    build.judge(other)

    promote(upgrade_id=other.pk, actor=build.a_user())

    upgrade = Upgrade.objects.get(pk=upgrade.pk)
    assert is_stale(upgrade, situation_of(upgrade))


def test_without_a_transitive_level_the_incumbent_alone_counts():
    alias = build.an_alias()
    versions = [build.a_promoted_upgrade(alias).candidate for _ in range(2)]

    upgrade = build.a_judged_upgrade(alias)

    assert asked(upgrade) == {versions[-1].digest}
    assert Comparison.objects.get(new_digest=upgrade.candidate.digest).ancestors == []


def test_vectors_in_a_gallery_keep_a_promise_standing():
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    first = build.a_promoted_upgrade(alias).candidate
    build.a_gallery(alias, items=3)
    build.a_promoted_upgrade(alias)
    set_layer(alias, level="backward_transitive", promotions=1)

    assert situation_of(build.an_upgrade(alias)).standing == (first,)


def test_at_level_none_a_candidate_passes_and_moves_no_gallery():
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    build.a_promoted_upgrade(alias)
    build.a_gallery(alias, items=3)
    set_layer(alias, level="none")
    upgrade = build.an_upgrade(alias)
    advance(upgrade_id=upgrade.pk)
    build.compute_outputs()
    advance(upgrade_id=upgrade.pk)
    build.compare(outcome=Outcome.FAILED)
    judged = advance(upgrade_id=upgrade.pk)

    assert judged.verdict.outcome == Outcome.PASSED
    assert judged.verdict.coverage == []
    with pytest.raises(Exception, match="does not cover"):
        promote(upgrade_id=upgrade.pk, actor=build.a_user())
