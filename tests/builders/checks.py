"""Checks in every state, judged by the service itself from measurements made by hand."""

from compat.verdict import Outcome
from registry.catalog.models import Alias
from registry.core import leases
from registry.upgrades.models import Check
from registry.upgrades.services import checks
from tests.builders import registry as make


def a_check(alias: Alias | None = None) -> Check:
    """Return a queued check on the first set that judges ``alias``, which names a version."""
    alias = alias or make.a_promoted_upgrade().alias
    alias.refresh_from_db()
    return checks.request_check(
        alias=alias,
        revision=alias.gate.pins.select_related("set_revision")[0].set_revision,
        upload=make.an_artifact(kind=make.Upload.TABLE),
        actor=make.a_user(),
    )


def a_judged_check(
    alias: Alias | None = None,
    *,
    outcome: Outcome = Outcome.PASSED,
    flips: int = 3,
) -> Check:
    """Return a check whose outcome is there; errored is one whose null test fails."""
    return judge(a_check(alias), outcome=outcome, flips=flips)


def judge(check: Check, *, outcome: Outcome = Outcome.PASSED, flips: int = 3) -> Check:
    """Do what the workers do until the check is judged."""
    make.compute_outputs()
    job = checks.claim(check_id=check.pk)
    assert job is not None
    errs = outcome is Outcome.ERRORED
    measured = Outcome.PASSED if errs else outcome
    result = make.a_comparison_result(job.task, outcome=measured, flips=flips)
    result["null_test"] = {"passed": not errs, "reason": "it differs from itself" if errs else ""}
    assert checks.record(job=job, result=result, standing={})
    check.refresh_from_db()
    assert check.outcome == outcome, check.results
    return check


def a_failed_check(code: str = "ids_missing", detail: str = "3 ids have no row") -> Check:
    """Return a check whose outputs could not be judged."""
    check = a_check()
    claim = leases.claim(Check, check.pk)
    assert claim is not None
    assert leases.fail(Check, claim, code, detail)
    check.refresh_from_db()
    return check
