"""The repair on the upgrade page: offered where it makes sense, followed, and told as measured."""

import pytest
from django.urls import reverse

from registry.audit.models import LedgerEntry
from registry.galleries.models import Twin
from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.services import adapters
from registry.upgrades.services.rewritings import prepare_rewritings
from tests.builders import registry as make
from tests.builders.adapters import a_fit, a_pool, an_unpassed_upgrade, finish
from tests.builders.canaries import an_attached_gallery
from tests.registry.web.conftest import HTMX, text_of

pytestmark = pytest.mark.django_db


def page_of(upgrade):
    return reverse("upgrade", args=[upgrade.pk])


def repair_of(upgrade):
    return reverse("adapter_fit", args=[upgrade.pk])


@pytest.mark.parametrize("outcome", ["failed", "inconclusive"])
def test_an_encoder_that_does_not_pass_is_offered_a_repair_on_sets_that_do_not_judge(
    pages, outcome
):
    upgrade = an_unpassed_upgrade(outcome)
    judging = upgrade.alias.gate.pins.get().set_revision
    a_pool("pool")

    page = pages.get(page_of(upgrade))

    assert "Fit an adapter" in text_of(page)
    assert "pool:1" in text_of(page)
    assert f">{judging}</option>" not in page.content.decode()


def test_what_passed_and_what_is_no_encoder_is_offered_none(pages):
    failed = an_unpassed_upgrade()
    classifier = make.a_judged_upgrade(outcome="failed")

    for upgrade in (make.a_judged_upgrade(failed.alias), classifier):
        assert "Fit an adapter" not in text_of(pages.get(page_of(upgrade)))


def test_asking_queues_a_fit_that_the_page_follows_until_it_is_over(pages, ada):
    upgrade, pool = an_unpassed_upgrade(), a_pool("pool")

    answer = pages.post(repair_of(upgrade), {"revision": pool.pk})
    waiting = pages.get(page_of(upgrade)).content.decode()
    polled = pages.get(repair_of(upgrade), headers=HTMX)
    made = finish(AdapterFit.objects.get()).made
    judging = pages.get(repair_of(upgrade), headers=HTMX)
    make.judge(Upgrade.objects.get(candidate=made))
    over = pages.get(repair_of(upgrade), headers=HTMX)

    assert answer.status_code == 303
    assert answer.url == page_of(upgrade) + "#repair"
    assert AdapterFit.objects.get().requested_by == ada
    assert f'hx-get="{repair_of(upgrade)}"' in waiting
    assert polled.status_code == 200
    assert polled.content.lstrip().startswith(b'<div class="card mb-3" id="repair"')
    assert (judging.status_code, b"hx-get" in judging.content) == (200, True)
    assert (over.status_code, over.headers["HX-Refresh"]) == (286, "true")
    assert b"hx-get" not in over.content


def test_the_page_shows_three_methods_the_version_and_what_was_measured_of_it(pages):
    upgrade = an_unpassed_upgrade()
    fit = finish(a_fit(upgrade, a_pool("pool")))
    before = text_of(pages.get(repair_of(upgrade)))
    made = make.judge(Upgrade.objects.get(candidate=fit.made))

    text = text_of(pages.get(page_of(upgrade)))

    assert "to come" in before
    for said in ("orthogonal Procrustes chosen", "low-rank affine map", "residual MLP"):
        assert said in text
    for said in ("the old encoder itself", "80.0 %", "750 pairs fitted", "250 held out"):
        assert said in text
    assert str(fit.made) in text
    assert f"upgrade #{made.pk}" in text
    assert "+0.030" in text


def test_a_fit_that_failed_says_why(pages):
    fit = a_fit()
    make.compute_outputs()
    job = adapters.claim(fit_id=fit.pk)
    adapters.fail(job=job, code="nothing_to_fit", detail="9 pairs are too few")

    text = text_of(pages.get(page_of(fit.upgrade)))

    assert "nothing_to_fit 9 pairs are too few" in text


def test_a_refused_request_is_told_and_is_in_the_ledger(pages):
    upgrade, pool = an_unpassed_upgrade(), a_pool()
    waiting = make.an_upgrade(upgrade.alias, candidate_state="inspecting")

    page = pages.post(repair_of(waiting), {"revision": pool.pk}, follow=True)

    assert "is inspecting" in text_of(page)
    assert LedgerEntry.objects.latest("seq").body["refused"] == "version_not_ready"


def test_a_set_that_judges_cannot_be_chosen(pages):
    upgrade = an_unpassed_upgrade()
    judging = upgrade.alias.gate.pins.get().set_revision

    page = pages.post(repair_of(upgrade), {"revision": judging.pk}, follow=True)

    assert "Choose a set that does not judge this alias." in text_of(page)
    assert not AdapterFit.objects.exists()


def test_both_sides_are_offered_with_what_they_cost_and_the_chosen_one_is_fitted(pages):
    upgrade, pool = an_unpassed_upgrade(), a_pool("pool")
    make.a_gallery(upgrade.alias, items=3)

    offered = text_of(pages.get(page_of(upgrade)))
    pages.post(repair_of(upgrade), {"revision": pool.pk, "side": "gallery"})

    assert "Nothing stored is rewritten" in offered
    assert "3 stored vectors are rewritten" in offered
    assert AdapterFit.objects.get().side == "gallery"


def test_the_upgrade_it_made_shows_how_far_galleries_are_rewritten_until_they_are(pages):
    failed = an_unpassed_upgrade()
    gallery = make.a_gallery(failed.alias, items=3)
    fit = finish(a_fit(failed, side="gallery"))
    upgrade = Upgrade.objects.get(candidate=fit.made)
    progress = reverse("upgrade_rewriting", args=[upgrade.pk])

    before = text_of(pages.get(progress))
    make.judge(upgrade)
    prepare_rewritings()
    at_it = pages.get(progress, headers=HTMX)
    promotion = text_of(pages.get(reverse("upgrade_promote", args=[upgrade.pk])))
    Twin.objects.update(work_state="failed", error_code="chunk_missing", error_detail="gone")
    failing = pages.get(page_of(upgrade))
    Twin.objects.update(work_state="done")
    over = pages.get(progress, headers=HTMX)

    assert "begins when the candidate has passed" in before
    assert "0 of 3" in text_of(at_it)
    assert "hx-trigger" in at_it.content.decode()
    assert "3 items are not rewritten yet" in promotion
    assert f"gallery {gallery} holds 3 items that are not rewritten yet" in promotion
    assert "1 batch failed: chunk_missing: gone" in text_of(failing)
    assert "complete" in text_of(over)
    assert over.status_code == 286


def test_items_of_attached_galleries_are_said_to_be_out_of_reach(pages):
    failed = an_unpassed_upgrade()
    a_pool("pool")
    an_attached_gallery(failed.alias, items=12_000)
    offered = text_of(pages.get(page_of(failed)))

    made = finish(a_fit(failed, side="gallery")).made

    upgrade = Upgrade.objects.get(candidate=made)
    progress = text_of(pages.get(reverse("upgrade_rewriting", args=[upgrade.pk])))
    assert "12,000 items lie in attached galleries and are not rewritten here" in offered
    assert "its vectors are with their owner: none is rewritten here" in progress
    assert "It can be promoted when all are there" not in progress


def test_for_any_other_upgrade_nothing_is_rewritten(pages):
    upgrade = an_unpassed_upgrade()

    page = pages.get(reverse("upgrade_rewriting", args=[upgrade.pk]))

    assert "Nothing is rewritten for this candidate" in text_of(page)
    assert "rewritten for this candidate" not in text_of(pages.get(page_of(upgrade)))
