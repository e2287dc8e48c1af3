"""``graceful adapter``: fitted on a set that does not judge, then followed to its verdict."""

import json

import pytest
from graceful.standing import EXIT, Standing

from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.services import adapters
from tests.builders import registry as make
from tests.builders.adapters import a_pool, an_unpassed_upgrade, finish

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

ALIAS = "faces@production"


@pytest.fixture
def failed(registry):
    """``faces:2``, which fails against ``faces:1``; ``pool:1`` judges nothing."""
    a_pool("pool")
    return an_unpassed_upgrade(name="faces")


def fit(run, *options, on="pool:1"):
    return run("adapter", "fit", ALIAS, "--candidate", 2, "--on", on, *options)


def test_a_fit_is_asked_for_and_listed_with_what_was_measured_of_its_version(run, failed):
    asked = fit(run)
    made = finish(AdapterFit.objects.get()).made
    upgrade = make.judge(Upgrade.objects.get(candidate=made))
    listed = run("adapter", "list", ALIAS, "--candidate", 2)

    assert asked.exit_code == 0
    assert asked.stdout == "adapter of faces:2 to faces:1 on pool:1: queued\n"
    lines = listed.stdout.splitlines()
    assert lines[0] == "adapter of faces:2 to faces:1 on pool:1: done"
    assert lines[1] == "  procrustes: retains 80.0% held out  (chosen)"
    assert lines[4] == "  stay_old: retains 40.0% held out"
    assert lines[5] == f"made faces:3, upgrade {upgrade.pk}"
    assert "0.030 [0.02, 0.04]" in lines[7]


def test_the_gallery_side_says_how_far_galleries_are_rewritten(run, failed):
    make.a_gallery(failed.alias, "faces", items=3)
    asked = fit(run, "--side", "gallery")
    finish(AdapterFit.objects.get())

    listed = run("adapter", "list", ALIAS, "--candidate", 2).stdout.splitlines()

    what = "adapter of stored vectors of faces:1 to faces:2 on pool:1"
    assert asked.stdout == f"{what}: queued\n"
    assert listed[0] == f"{what}: done"
    assert listed[6] == "  faces: 0 of 3 items rewritten"


def test_waiting_exits_as_the_gate_of_the_adapted_version_does(run, failed):
    fit(run)
    made = finish(AdapterFit.objects.get()).made
    upgrade = Upgrade.objects.get(candidate=made)

    late = fit(run, "--wait", "--timeout", 0)
    make.judge(upgrade)
    passed = fit(run, "--wait", "--timeout", 30)

    assert late.exit_code == EXIT[Standing.PENDING]
    assert passed.exit_code == EXIT[Standing.PASSED]
    assert "faces:3" in passed.stderr


def test_a_fit_that_fails_is_an_error_with_its_reason(run, failed):
    fit(run)
    make.compute_outputs()
    job = adapters.claim(fit_id=AdapterFit.objects.get().pk)
    adapters.fail(job=job, code="nothing_to_fit", detail="9 pairs are too few")

    listed = run("adapter", "list", ALIAS, "--candidate", 2)

    assert "nothing_to_fit: 9 pairs are too few" in listed.stdout


def test_json_is_the_answer_of_the_api(run, failed, registry):
    said = json.loads(fit(run, "--format", "json").stdout)

    assert [said] == list(registry.adapters(failed.pk))


def test_a_set_that_judges_is_refused(run, failed):
    judging = failed.alias.gate.pins.get().set_revision

    refused = fit(run, on=str(judging))

    assert refused.exit_code == EXIT[Standing.FAILED]
    assert refused.stderr.startswith("set_judges_the_alias: ")
