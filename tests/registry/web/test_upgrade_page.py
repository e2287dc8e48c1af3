"""The page of an upgrade: the verdict, why, every rule, and what may be done."""

import re

import pytest

from compat.measurement import Direction, proportion, undefined
from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.evaluation.models import Comparison
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.policy_scopes import set_policy
from tests.builders import registry as make
from tests.registry.web.conftest import outcomes_of, text_of


def against_an_incumbent(outcome=Outcome.PASSED):
    return make.a_judged_upgrade(make.a_promoted_upgrade().alias, outcome=outcome)


def shown(pages, upgrade):
    response = pages.get(f"/upgrades/{upgrade.pk}/")
    assert response.status_code == 200
    return response


@pytest.mark.parametrize("outcome", Outcome)
def test_the_banner_says_the_outcome_and_nothing_better(pages, outcome):
    response = shown(pages, make.a_judged_upgrade(outcome=outcome))

    assert outcomes_of(response)[0] == outcome
    assert f"banner-{outcome}" in response.content.decode()


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (Outcome.PASSED, "Every blocking rule holds: 2 of 2, on 1 evaluation set."),
        (Outcome.FAILED, "is 40.0 % (37.4 to 42.6 %), asked for at most 1 %. 1 more below."),
        (Outcome.INCONCLUSIVE, "The interval from 1000 samples holds the threshold"),
        (Outcome.ERRORED, "outputs_not_finite: row 3 holds NaN."),
    ],
)
def test_one_sentence_says_why(pages, outcome, sentence):
    assert sentence in text_of(shown(pages, against_an_incumbent(outcome)))


def test_every_rule_shows_value_interval_threshold_and_support(pages):
    words = text_of(shown(pages, against_an_incumbent()))

    assert "negative flips" in words
    assert "0.1 % 0.0 to 0.5 %" in words
    assert "at most 1 % 1,000 samples" in words
    assert "At most one answer in a hundred may go from right to wrong" in words


def test_an_undecided_rule_names_the_sample_size_that_would_settle_it(pages):
    response = shown(pages, against_an_incumbent(Outcome.INCONCLUSIVE))

    assert re.search(r"about [\d,]+ samples would settle it", text_of(response))


def test_an_advisory_rule_is_marked(pages):
    alias = make.a_promoted_upgrade(make.an_alias(make.a_model(task="embedding"))).alias

    response = shown(pages, make.a_judged_upgrade(alias))

    row = next(r for r in response.context["rules"] if r.rule == "first hit kept")
    assert row.advisory
    assert "advisory" in text_of(response)


def test_a_negative_flip_rate_is_never_alone(pages):
    upgrade = make.a_judged_upgrade(make.a_promoted_upgrade().alias)
    comparison = Comparison.objects.order_by("pk").last()
    better, worse = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
    measured = [
        proportion("accuracy.old", 900, 1000, better),
        proportion("accuracy.new", 940, 1000, better),
        proportion("nfr", 10, 1000, worse),
        proportion("pfr", 50, 1000, better),
        undefined("nfi", worse, "the new version makes no error"),
    ]
    comparison.measurements = [m.as_json() for m in measured]
    comparison.save(update_fields=["measurements"])

    words = text_of(shown(pages, upgrade))

    lower, upper = re.search(r"error rate, old 10\.0 % (\S+) to (\S+) %", words).groups()
    assert 7 < float(lower) < 10 < float(upper) < 13
    assert "error rate, new 6.0 %" in words
    assert "negative flip rate (NFR) 1.0 %" in words
    assert "positive flip rate (PFR) 5.0 %" in words
    assert "undefined: the new version makes no error" in words


def test_the_four_cells_stand_in_their_places(pages):
    alias = make.a_promoted_upgrade(make.an_alias(make.a_model(task="embedding"))).alias
    upgrade = make.a_judged_upgrade(alias)
    comparison = Comparison.objects.order_by("pk").last()
    better = Direction.HIGHER_IS_BETTER
    cells = {"old_old": 501, "new_old": 602, "old_new": 403, "new_new": 704}
    measured = [proportion(f"map.{name}", n, 1000, better) for name, n in cells.items()]
    measured.append(proportion("map.new_new_minus_chance", 604, 1000, better))
    comparison.measurements = [m.as_json() for m in measured]
    comparison.save(update_fields=["measurements"])

    words = text_of(shown(pages, upgrade))

    assert re.search(
        r"old query old_old 0\.501 .* old_new 0\.403 .* new query new_old 0\.602", words
    )
    assert "a random order: 0.100" in words


def test_coverage_says_whose_vectors_may_be_queried(pages):
    gallery = make.a_gallery(items=3)

    words = text_of(shown(pages, make.a_judged_upgrade(gallery.alias)))

    assert f"vectors of {gallery.live_view.encoder}" in words
    assert "no worse than the incumbent on its own vectors" in words


def test_a_passed_upgrade_can_be_promoted(pages):
    upgrade = make.a_judged_upgrade()

    assert f'href="/upgrades/{upgrade.pk}/promote/"' in shown(pages, upgrade).content.decode()
    assert "Promote …" in text_of(shown(pages, upgrade))


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.PASSED])
def test_nothing_but_a_pass_offers_a_promotion(pages, outcome):
    response = shown(pages, make.a_judged_upgrade(outcome=outcome))

    assert response.context["may_promote"] is False
    assert "Promote …" not in text_of(response)


def test_a_verdict_made_under_another_policy_is_shown_as_stale(pages, ada):
    upgrade = make.a_judged_upgrade()
    make.a_set_revision()
    set_policy(alias=upgrade.alias, revision=make.a_policy_revision(), actor=ada)
    make.a_pin(upgrade.alias)

    response = shown(pages, upgrade)

    assert outcomes_of(response)[0] == "stale"
    assert response.context["may_promote"] is False
    assert "outdated" in response.content.decode()


def test_earlier_verdicts_stay_listed(pages, ada):
    upgrade = make.a_judged_upgrade()
    set_policy(alias=upgrade.alias, revision=make.a_policy_revision(), actor=ada)
    pages.get(f"/upgrades/{upgrade.pk}/")

    response = shown(pages, upgrade)

    assert [v.number for v in response.context["earlier"]] == [1]
    assert response.context["verdict"].number == 2


def test_a_refused_upload_shows_the_reason(pages):
    upgrade = make.an_upgrade(candidate_state="inspecting")
    job = make.inspection.claim(version_id=upgrade.candidate_id)
    make.inspection.refuse(job=job, code="invalid_graph", detail="the graph does not parse")
    make.advance(upgrade_id=upgrade.pk)

    words = text_of(shown(pages, upgrade))

    assert "the graph does not parse" in words
    assert "invalid_graph" in words


def test_withdrawing_closes_the_upgrade_and_keeps_the_reason(pages):
    upgrade = make.an_upgrade()

    response = pages.post(f"/upgrades/{upgrade.pk}/withdraw/", {"reason": "no longer wanted"})

    assert response.status_code == 303
    assert "no longer wanted" in LedgerEntry.objects.last().body_json
    assert outcomes_of(shown(pages, upgrade))[0] == "quiet"


def test_withdrawing_twice_is_told(pages):
    upgrade = make.an_upgrade()
    pages.post(f"/upgrades/{upgrade.pk}/withdraw/")

    response = pages.post(f"/upgrades/{upgrade.pk}/withdraw/", follow=True)

    assert "illegal_transition" in text_of(response)


def test_failed_outputs_can_be_asked_for_again(pages):
    upgrade = make.an_upgrade()
    make.a_pin(upgrade.alias)
    make.advance(upgrade_id=upgrade.pk)
    outputs = make.Outputs.objects.get()
    job = make.computing.claim(outputs_id=outputs.pk)
    make.computing.fail(job=job, code="run_failed", detail="the run failed")

    before = text_of(pages.get(f"/upgrades/{upgrade.pk}/"))
    response = pages.post(f"/outputs/{outputs.pk}/retry/", {"upgrade": upgrade.pk})

    outputs.refresh_from_db()
    assert "the run failed" in before
    assert response.url == f"/upgrades/{upgrade.pk}/"
    assert outputs.work_state == "queued"


def test_a_rule_says_why_it_is_there_and_whose_it_is(pages):
    alias = make.an_alias()
    document = {**DEFAULTS[Task.CLASSIFICATION]}
    first = {**document["first_version"][0], "owner": "the vision team"}
    revision = add_policy_revision(
        name="owned", document={**document, "first_version": [first]}, actor=make.a_user()
    )
    set_policy(alias=alias, revision=revision, actor=make.a_user())

    words = text_of(shown(pages, make.a_judged_upgrade(alias)))

    assert f"{first['rationale']} Owner: the vision team." in words
