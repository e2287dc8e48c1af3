"""A candidate that meets stored vectors rewritten: measured so, prepared, and only then live."""

from types import SimpleNamespace

import pytest

from compat.policy import Task
from compat.verdict import Outcome
from registry.core.data import gallery_folder
from registry.core.errors import GateNotPassedError, UnknownObjectError
from registry.core.leases import WorkState
from registry.core.store import Store
from registry.evaluation.models import Comparison, Outputs
from registry.evaluation.services import comparisons
from registry.galleries.models import Rewriting, Twin
from registry.galleries.services import rewrite, twins
from registry.galleries.services.remove import remove_items
from registry.upgrades.models import Upgrade
from registry.upgrades.rewritings import preparations, rewritable_items
from registry.upgrades.services.advance import advance
from registry.upgrades.services.carry_out import carry_out, waits_for
from registry.upgrades.services.promote import promote
from registry.upgrades.services.propose import propose
from registry.upgrades.services.rewritings import prepare_rewritings
from registry.upgrades.services.roll_back import plan_rollback, roll_back
from registry.upgrades.services.withdraw import withdraw
from tests.builders import registry as make
from tests.builders.adapters import a_fit, finish
from tests.builders.staging import a_schedule, let_it_be_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def line():
    """A gallery of three items and an unjudged candidate that meets them rewritten."""
    alias = make.an_alias(make.a_model(task=Task.EMBEDDING))
    make.a_promoted_upgrade(alias)
    gallery = make.a_gallery(alias, items=3)
    failed = make.a_judged_upgrade(alias, outcome=Outcome.FAILED)
    fit = finish(a_fit(failed, side="gallery"))
    upgrade = Upgrade.objects.get(candidate=fit.made)
    return SimpleNamespace(alias=alias, gallery=gallery, failed=failed, fit=fit, upgrade=upgrade)


@pytest.fixture
def passed(line):
    """The same once the candidate has passed, and its work was asked for."""
    make.judge(line.upgrade)
    prepare_rewritings()
    return line


def rewrite_all(line):
    for twin in Twin.objects.filter(encoder=line.fit.rewriter, work_state=WorkState.QUEUED):
        job = rewrite.claim(twin_id=twin.pk)
        stored = Store(gallery_folder(job.gallery_id, job.segment_id))
        digest = stored.write([f"of {twin.pk}".encode()], max_bytes=100).digest
        assert twins.record_twin(job=job, chunk_digest=digest)


def take(line, **how):
    return promote(upgrade_id=line.upgrade.pk, actor=make.a_user(), **how)


def refused(line):
    with pytest.raises(GateNotPassedError) as refusal:
        take(line)
    assert refusal.value.code == "gallery_not_covered"
    return str(refusal.value)


def go_back(line, target):
    line.alias.refresh_from_db()
    plan = plan_rollback(alias=line.alias, target=target)
    roll_back(
        alias=line.alias,
        target=target,
        actor=make.a_user(),
        reason="tried",
        confirm_unsearchable=plan.unsearchable_items,
    )
    return plan


def test_its_comparison_waits_for_the_outputs_of_the_rewriter_and_meets_them(line):
    advance(upgrade_id=line.upgrade.pk)
    rewriter = line.fit.rewriter
    of_rewriter = Outputs.objects.get(version=rewriter, set_revision__in=pinned(line))
    Outputs.objects.exclude(pk=of_rewriter.pk).update(work_state=WorkState.DONE)
    advance(upgrade_id=line.upgrade.pk)
    assert not Comparison.objects.filter(new_digest=line.fit.made.digest).exists()

    make.compute_outputs()
    advance(upgrade_id=line.upgrade.pk)

    comparison = Comparison.objects.get(new_digest=line.fit.made.digest)
    of_rewriter.refresh_from_db()
    assert comparison.rewritten == {"new_old": of_rewriter.pk}
    job = comparisons.claim(comparison_id=comparison.pk)
    assert job.rewritten_files == {"new_old": of_rewriter.file_digest}


def pinned(line):
    return [pin.set_revision_id for pin in line.alias.gate.pins.all()]


def test_the_candidate_as_it_is_goes_on_to_meet_the_vectors_as_they_are(line):
    comparison = Comparison.objects.get(new_digest=line.failed.candidate.digest)

    assert comparison.rewritten == {}


def test_a_rewriter_whose_outputs_fail_leaves_no_verdict_that_opens(line):
    advance(upgrade_id=line.upgrade.pk)
    rows = Outputs.objects.filter(version=line.fit.rewriter, set_revision__in=pinned(line))
    rows.update(work_state=WorkState.FAILED, error_code="zero_embedding")
    make.compute_outputs()

    judged = advance(upgrade_id=line.upgrade.pk)

    assert judged.verdict.outcome == Outcome.ERRORED


def test_the_verdict_is_stale_once_the_rewriter_has_other_outputs(passed):
    rows = Outputs.objects.filter(version=passed.fit.rewriter, set_revision__in=pinned(passed))
    assert rows.update(file_digest=make.a_digest()) == 1

    with pytest.raises(GateNotPassedError) as refusal:
        take(passed)

    assert refusal.value.code == "verdict_stale"


def test_nothing_is_rewritten_for_what_has_not_passed(line):
    make.judge(line.upgrade, outcome=Outcome.FAILED)

    prepare_rewritings()

    assert not Twin.objects.exists()
    assert [(p.items, p.rewritten, p.is_wanted) for p in preparations(line.fit)] == [(3, 0, False)]


def test_once_it_has_passed_every_batch_is_asked_for_and_its_worker_needs_vectors_only(passed):
    prepare_rewritings()

    twin = Twin.objects.get()
    assert (twin.encoder, twin.transform) == (passed.fit.rewriter, passed.fit.transform)
    assert twins.claim(twin_id=twin.pk) is None
    job = rewrite.claim(twin_id=twin.pk)
    assert (job.chunk_digest, job.rows) == (twin.batch.chunk_digest, 3)
    assert job.transform_digest == passed.fit.transform_id
    assert job.output == passed.fit.rewriter.manifest["output"]
    assert rewrite.claim(twin_id=twin.pk) is None


def test_an_ordinary_twin_is_not_rewritten(passed):
    Twin.objects.update(transform=None)

    assert rewrite.claim(twin_id=Twin.objects.get().pk) is None


def test_it_is_promoted_when_the_last_item_is_rewritten_and_not_before(passed):
    assert "3 items that are not rewritten" in refused(passed)
    rewrite_all(passed)
    make.an_insert(passed.gallery, ["late"])
    assert "1 items that are not rewritten" in refused(passed)
    assert [(p.items, p.rewritten) for p in preparations(passed.fit)] == [(4, 3)]
    rewrite_all(passed)

    take(passed)

    passed.gallery.refresh_from_db()
    entry = passed.gallery.live_view.entries.get(segment__number=1)
    assert (entry.encoder, entry.twins_by) == (passed.fit.made, passed.fit.rewriter)
    assert entry.searchable
    assert entry.evidence == f"verdict:{Upgrade.objects.get(pk=passed.upgrade.pk).verdict_id}"
    own = passed.gallery.live_view.entries.get(segment__number=2)
    assert (own.encoder, own.twins_by, own.evidence) == (passed.fit.made, None, "self")


def test_items_that_were_removed_wait_for_nothing(passed):
    remove_items(gallery=passed.gallery, ids=["item-0", "item-2"], actor=make.a_user())

    assert "1 items that are not rewritten" in refused(passed)


def test_a_batch_that_cannot_be_rewritten_stands_in_the_way_and_is_told(passed):
    job = rewrite.claim(twin_id=Twin.objects.get().pk)
    twins.fail(job=job, code="chunk_missing", detail="it is gone")

    prepare_rewritings()

    [shown] = preparations(passed.fit)
    assert (shown.failed_batches, shown.reason) == (1, "chunk_missing: it is gone")
    assert not shown.is_under_way
    assert Twin.objects.get().work_state == WorkState.FAILED
    refused(passed)


def test_proposed_again_what_failed_is_tried_again(passed):
    twins.fail(job=rewrite.claim(twin_id=Twin.objects.get().pk), code="gave_up", detail="")
    withdraw(upgrade_id=passed.upgrade.pk, actor=make.a_user(), reason="")
    prepare_rewritings()
    propose(alias=passed.alias, candidate=passed.fit.made, actor=make.a_user())
    make.judge(passed.upgrade)

    prepare_rewritings()

    assert Twin.objects.get().work_state == WorkState.QUEUED


def test_a_worker_that_lost_its_lease_records_nothing(passed):
    lost = rewrite.claim(twin_id=Twin.objects.get().pk)
    Twin.objects.update(lease_until="2020-01-01T00:00:00Z")
    held = rewrite.claim(twin_id=Twin.objects.get().pk)

    assert not twins.record_twin(job=lost, chunk_digest=make.a_digest())
    assert twins.record_twin(job=held, chunk_digest=make.a_digest())


def test_withdrawn_its_rewritten_vectors_go_with_their_files(
    passed, django_capture_on_commit_callbacks
):
    rewrite_all(passed)
    twin = Twin.objects.select_related("batch").get()
    files = Store(gallery_folder(passed.gallery.pk, twin.batch.segment_id))
    assert twins.discard_past_probation() == 0
    withdraw(upgrade_id=passed.upgrade.pk, actor=make.a_user(), reason="")

    prepare_rewritings()
    with django_capture_on_commit_callbacks(execute=True):
        assert twins.discard_past_probation() == 1

    with pytest.raises(UnknownObjectError):
        files.path(twin.chunk_digest)


def test_live_and_replaced_it_keeps_them_and_after_a_rollback_they_go(passed):
    rewrite_all(passed)
    take(passed)
    incumbent = passed.fit.incumbent
    prepare_rewritings()
    assert twins.discard_past_probation() == 0
    Upgrade.objects.filter(pk=passed.upgrade.pk).update(state="replaced")
    prepare_rewritings()
    assert Rewriting.objects.get().is_wanted
    Upgrade.objects.filter(pk=passed.upgrade.pk).update(state="promoted")

    go_back(passed, incumbent)
    prepare_rewritings()

    passed.gallery.refresh_from_db()
    entry = passed.gallery.live_view.entries.get(segment__number=1)
    assert (entry.twins_by, entry.evidence) == (None, "self")
    assert twins.discard_past_probation() == 1


def test_going_forth_again_confirms_what_is_rewritten_again(passed):
    rewrite_all(passed)
    take(passed)
    go_back(passed, passed.fit.incumbent)
    prepare_rewritings()
    twins.discard_past_probation()

    plan = go_back(passed, passed.fit.made)

    assert (plan.unsearchable_items, plan.returning_items) == (3, 3)
    assert Twin.objects.get(encoder=passed.fit.rewriter).work_state == WorkState.QUEUED
    rewrite_all(passed)
    assert [(p.items, p.rewritten) for p in preparations(passed.fit)] == [(3, 3)]


def test_what_comes_after_it_is_held_against_what_its_users_found_in_rewritten_vectors(passed):
    """The gallery holds the first version's vectors still, which the second met rewritten."""
    rewrite_all(passed)
    take(passed)
    third = make.an_upgrade(passed.alias)

    advance(upgrade_id=third.pk)
    make.compute_outputs()
    advance(upgrade_id=third.pk)

    found = Comparison.objects.filter(new_digest=third.candidate.digest)
    by_producer = {row.producer_digest: set(row.rewritten) for row in found}
    assert by_producer == {"": set(), passed.fit.incumbent.digest: {"old_producer"}}


def test_the_page_says_how_many_vectors_the_gallery_side_would_rewrite(line):
    assert rewritable_items(line.failed) == 3


def test_a_schedule_waits_for_what_was_inserted_a_moment_ago(passed):
    rewrite_all(passed)
    held = a_schedule(passed.upgrade)
    let_it_be_due(held)
    make.an_insert(passed.gallery, ["late"])

    carry_out(schedule_id=held.pk)
    held.refresh_from_db()
    assert (held.state, waits_for(held)) == ("open", "1 items are not rewritten yet")

    rewrite_all(passed)
    carry_out(schedule_id=held.pk)
    held.refresh_from_db()
    assert (held.state, held.detail) == ("done", "")
