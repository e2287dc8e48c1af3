"""Two candidates on one page: which one breaks whom, and how each was judged."""

import pytest

from compat.verdict import Outcome
from registry.evaluation.models import Comparison
from registry.upgrades.models import Upgrade, Verdict
from registry.web.drawings.overlap import WIDTH, draw_overlap, widths
from registry.web.rule_rows import paired_rows
from tests.builders import registry as make
from tests.registry.web.conftest import outcomes_of, text_of


def breaking(alias, rows, *, outcome=Outcome.PASSED, new="dog", whole=True):
    """Return a judged upgrade whose candidate breaks the samples at ``rows``."""
    upgrade = make.a_judged_upgrade(alias, outcome=outcome)
    comparison = Comparison.objects.get(new_digest=upgrade.candidate.digest)
    comparison.flips = [make.a_flip(row) | {"new": new} for row in rows]
    for measured in comparison.measurements:
        if whole and measured["name"] == "nfr":
            measured["value"] = len(rows) / measured["support"]
    comparison.save(update_fields=["flips", "measurements"])
    return upgrade


def path_of(first, second):
    return f"/upgrades/{first.pk}/against/{second.pk}/"


@pytest.fixture
def alias(db):
    return make.a_promoted_upgrade().alias


def columns(response):
    (shown,) = response.context["sets"]
    return {column.key: [sample.id for sample in column.samples] for column in shown.columns}


def test_samples_stand_under_the_candidate_that_breaks_them(pages, alias):
    first, second = breaking(alias, [1, 2, 3]), breaking(alias, [3, 4])

    response = pages.get(path_of(first, second))

    assert columns(response) == {
        "first": ["sample-1", "sample-2"],
        "both": ["sample-3"],
        "second": ["sample-4"],
    }
    words = text_of(response)
    assert f"2 Only {first.candidate}" in words
    assert "1 Both" in words
    assert f"1 Only {second.candidate}" in words
    assert "lists only the first" not in words


def test_a_sample_shows_its_picture_and_leads_to_the_flip_browser(pages, alias):
    first, second = breaking(alias, [1]), breaking(alias, [])
    comparison = Comparison.objects.get(new_digest=first.candidate.digest)

    body = pages.get(path_of(first, second)).content.decode()

    assert f'src="/comparisons/{comparison.pk}/flips/1.png"' in body
    link = f"/upgrades/{first.pk}/flips/{comparison.pk}/?kind=negative&amp;id=sample-1"
    assert f'href="{link}"' in body
    found = pages.get(link.replace("&amp;", "&"))
    assert [flip["id"] for flip in found.context["page"]] == ["sample-1"]


def test_two_wrong_answers_are_told_apart_and_one_is_told_once(pages, alias):
    first, second = breaking(alias, [1], new="dog"), breaking(alias, [1], new="owl")
    third = breaking(alias, [1], new="owl")

    apart, same = (
        text_of(pages.get(path_of(*pair))) for pair in ((first, second), (second, third))
    )

    assert f"{first.candidate} → dog {second.candidate} → owl" in apart
    assert "is cat → owl" in same


def test_a_list_that_was_cut_short_says_so(pages, alias):
    first, second = breaking(alias, [1, 2], whole=False), breaking(alias, [2])

    words = text_of(pages.get(path_of(first, second)))

    assert f"{first.candidate} lists only the first 2 of its negative flips" in words
    assert f"{second.candidate} lists only" not in words


def test_a_thousand_samples_are_ids_with_few_pictures(pages, alias, django_assert_max_num_queries):
    first, second = breaking(alias, range(1000)), breaking(alias, range(500, 600))

    with django_assert_max_num_queries(40):
        response = pages.get(path_of(first, second))

    body = response.content.decode()
    assert body.count('<img src="/comparisons/') == 24
    assert "All 900 ids" in text_of(response)
    assert "\nsample-999" in body
    assert len(body) < 100_000


def test_where_nobody_breaks_anything_it_says_so(pages, alias):
    response = pages.get(path_of(breaking(alias, []), breaking(alias, [])))

    assert "Neither candidate breaks anything" in text_of(response)
    assert b'<svg class="overlap"' not in response.content


def test_rules_stand_side_by_side_with_the_outcome_of_each(pages, alias):
    first = breaking(alias, [1])
    second = breaking(alias, [2], outcome=Outcome.FAILED)

    response = pages.get(path_of(first, second))

    pair = next(p for p in response.context["pairs"] if p.head.rule == "negative flips")
    assert [side.outcome for side in pair.sides] == ["passed", "failed"]
    assert [side.value for side in pair.sides] == ["0.1\xa0%", "40.0\xa0%"]
    assert outcomes_of(response)[:2] == ["passed", "failed"]


def test_both_drawings_of_a_rule_have_one_scale(alias):
    first = breaking(alias, [1])
    second = breaking(alias, [2], outcome=Outcome.FAILED)

    pairs = paired_rows(first.verdict.results, second.verdict.results)

    pair = next(p for p in pairs if p.head.rule == "negative flips")
    one, two = (str(side.drawing).partition("interval-threshold")[2][:30] for side in pair.sides)
    assert one == two != ""


def test_a_candidate_without_a_verdict_is_not_judged(pages, alias):
    first, second = breaking(alias, [1]), breaking(alias, [2])
    Upgrade.objects.filter(pk=second.pk).update(verdict=None, state="withdrawn")

    words = text_of(pages.get(path_of(first, second)))

    assert "not judged" in words


def test_a_rule_that_only_one_was_asked_is_shown(alias):
    verdict = breaking(alias, [1]).verdict
    extra = verdict.results[-1] | {"slice": "writer=3"}

    pairs = paired_rows(verdict.results, [*verdict.results, extra])

    (alone,) = [pair for pair in pairs if None in pair.sides]
    assert alone.sides[0] is None
    assert "writer=3" in alone.sides[1].evaluation_set


def test_what_every_gate_tests_of_itself_stands_last(alias):
    verdict = breaking(alias, [1]).verdict

    rules = [pair.head.rule for pair in paired_rows(verdict.results, verdict.results)]

    assert rules[-2:] == ["null test", "planted regression"]


@pytest.mark.parametrize("turned", [False, True])
def test_what_was_not_compared_yet_is_a_page(pages, alias, turned):
    pair = [breaking(alias, [1]), make.an_upgrade(alias)]

    response = pages.get(path_of(*(pair[::-1] if turned else pair)))

    assert response.status_code == 409
    words = text_of(response)
    assert "not_compared" in words
    assert f"{pair[1].candidate} was not compared with the incumbent yet" in words


def test_candidates_of_two_aliases_are_a_page(pages, alias):
    response = pages.get(path_of(breaking(alias, [1]), make.a_judged_upgrade()))

    assert response.status_code == 422
    assert "Choose two upgrades of one alias." in text_of(response)


def test_without_an_incumbent_there_is_a_page(pages):
    upgrade = make.a_judged_upgrade()

    response = pages.get(path_of(upgrade, make.an_upgrade(upgrade.alias)))

    assert response.status_code == 409
    assert "promote a first version" in text_of(response)


def test_an_upgrade_against_itself_is_the_upgrade(pages, alias):
    upgrade = breaking(alias, [1])

    assert pages.get(path_of(upgrade, upgrade)).url == f"/upgrades/{upgrade.pk}/"


def test_the_page_of_an_upgrade_offers_the_others_that_are_open(pages, alias):
    first, judged, waiting = breaking(alias, [1]), breaking(alias, [2]), make.an_upgrade(alias)

    response = pages.get(f"/upgrades/{first.pk}/")

    assert list(response.context["rivals"]) == [judged, waiting]
    assert f'action="/upgrades/{first.pk}/against/"' in response.content.decode()


def test_without_another_open_upgrade_nothing_is_offered(pages, alias):
    make.a_judged_upgrade()
    upgrade = breaking(alias, [1])

    assert b"against/" not in pages.get(f"/upgrades/{upgrade.pk}/").content


def test_a_choice_leads_to_the_page_of_the_two(pages, alias):
    first, second = breaking(alias, [1]), breaking(alias, [2])

    response = pages.get(f"/upgrades/{first.pk}/against/", {"other": str(second.pk)})

    assert response.url == path_of(first, second)


@pytest.mark.parametrize("other", ["", "x", "-1", "²", "9" * 40])
def test_a_choice_that_names_nothing_is_not_found(pages, alias, other):
    first = breaking(alias, [1])

    response = pages.get(f"/upgrades/{first.pk}/against/", {"other": other})

    assert response.status_code == 404
    assert "unknown_upgrade" in text_of(response)


def test_a_page_of_two_verdicts_costs_few_queries(pages, alias, django_assert_max_num_queries):
    first, second = breaking(alias, [1]), breaking(alias, [2])
    assert Verdict.objects.count() == 3

    with django_assert_max_num_queries(40):
        pages.get(path_of(first, second))


@pytest.mark.parametrize(
    "counts", [(1, 1, 1), (0, 5, 0), (1, 0, 100_000), (1, 1, 100_000), (3, 0, 4), (1, 2, 3)]
)
def test_the_bar_is_filled_and_nothing_vanishes(counts):
    parts = widths(counts)

    assert sum(parts) == WIDTH
    assert [bool(part) for part in parts] == [bool(n) for n in counts]
    assert sorted(range(3), key=lambda i: counts[i])[-1] == parts.index(max(parts)) or len(
        set(counts)
    ) < len(counts)


def test_an_empty_bar_is_not_drawn():
    assert draw_overlap(0, 0, 0) is None
