"""What a move of the query encoder means for the items of a gallery."""

from compat.plan import HeldSegment, plan_cutover


def test_a_producer_without_evidence_is_never_searched():
    held = [HeldSegment(1, producer=10, live_items=5), HeldSegment(2, producer=11, live_items=7)]

    plan = plan_cutover(held, encoder=12, evidence={10: "verdict:3"})

    assert [s.searchable for s in plan.segments] == [True, False]
    assert plan.unsearchable_items == 7
    assert not plan.covers_everything


def test_the_encoders_own_vectors_need_no_evidence():
    plan = plan_cutover([HeldSegment(1, producer=12, live_items=5)], encoder=12, evidence={})

    assert plan.segments[0].evidence == "self"
    assert plan.covers_everything


def test_an_empty_gallery_is_covered():
    assert plan_cutover([], encoder=1, evidence={}).covers_everything


def test_in_a_dual_query_each_version_asks_for_its_own_vectors():
    held = [HeldSegment(1, producer=10, live_items=5), HeldSegment(2, producer=12, live_items=7)]

    plan = plan_cutover(held, encoder=12, evidence={10: "verdict:3"}, dual={10: "comparison:4"})

    assert [(s.queried_by, s.evidence) for s in plan.segments] == [
        (10, "comparison:4"),
        (12, "self"),
    ]
    assert plan.covers_everything


def test_beside_a_dual_query_no_segment_is_searched_whose_scores_nothing_calibrates():
    held = [HeldSegment(1, producer=10, live_items=5), HeldSegment(2, producer=11, live_items=7)]
    covered = {10: "verdict:3", 11: "verdict:3"}

    plan = plan_cutover(held, encoder=12, evidence=covered, dual={10: "comparison:4"})

    assert [(s.queried_by, s.searchable) for s in plan.segments] == [(10, True), (12, False)]
    assert plan.unsearchable_items == 7
    assert plan_cutover(held[1:], 12, covered, {10: "comparison:4"}).covers_everything


def test_what_the_encoder_embedded_as_well_stays_searchable_and_the_rest_is_counted():
    held = [HeldSegment(2, producer=11, live_items=9, twin_items=6, returning_items=2)]

    plan = plan_cutover(held, encoder=10, evidence={})

    assert (plan.segments[0].evidence, plan.segments[0].queried_by) == ("twins", 10)
    assert plan.segments[0].twins_by == 10
    assert (plan.unsearchable_items, plan.returning_items) == (3, 2)
    assert not plan.covers_everything


def test_twins_of_every_item_cover_a_segment():
    held = [HeldSegment(2, producer=11, live_items=9, twin_items=9)]

    assert plan_cutover(held, encoder=10, evidence={}).covers_everything


def test_evidence_and_dual_queries_come_before_twins():
    held = [HeldSegment(2, producer=11, live_items=9, twin_items=4)]

    by_evidence = plan_cutover(held, encoder=10, evidence={11: "verdict:3"})
    by_dual = plan_cutover(held, encoder=10, evidence={}, dual={11: "comparison:4"})

    assert [plan.segments[0].twins_by for plan in (by_evidence, by_dual)] == [None, None]
    assert by_evidence.covers_everything
    assert by_dual.covers_everything


def test_rewritten_vectors_are_searched_as_far_as_they_are_there_and_only_with_evidence():
    held = [
        HeldSegment(
            2,
            producer=11,
            live_items=9,
            twin_items=1,
            rewritten_by=7,
            rewritten_items=6,
            rewritable_items=3,
        )
    ]

    plan = plan_cutover(held, encoder=12, evidence={11: "verdict:3"})
    without = plan_cutover(held, encoder=12, evidence={})
    dual = plan_cutover(held, encoder=12, evidence={11: "verdict:3"}, dual={11: "comparison:4"})

    assert (plan.segments[0].twins_by, plan.segments[0].queried_by) == (7, 12)
    assert (plan.unsearchable_items, plan.unwritten_items, plan.returning_items) == (3, 3, 3)
    assert not plan.covers_everything
    assert (without.segments[0].twins_by, without.unwritten_items) == (12, 0)
    assert without.unsearchable_items == 8
    assert (dual.segments[0].twins_by, dual.covers_everything) == (None, True)
