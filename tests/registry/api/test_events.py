"""Events are followed in order, without a gap and without a repetition."""

from registry.notify.services.publish import publish
from tests.builders import registry as make


def kinds(response):
    return [event["kind"] for event in response.json()["results"]]


def test_events_come_in_the_order_in_which_they_happened(api):
    upgrade = make.a_promoted_upgrade(make.an_alias(make.a_model("digits")))

    events = api.get("events").json()["results"]

    assert [event["kind"] for event in events] == ["upgrade.judged", "alias.moved"]
    assert events[1]["subject"] == "alias:digits@production"
    assert events[1]["body"]["to"] == str(upgrade.candidate)


def test_a_reader_goes_on_where_it_stopped(api):
    for number in range(5):
        publish(kind=f"kind-{number}", subject="test")

    first = api.get("events", page_size=3)
    second = api.get("events", page_token=first.json()["next_page_token"], page_size=3)
    nothing = api.get("events", page_token=second.json()["next_page_token"])
    publish(kind="late", subject="test")
    late = api.get("events", page_token=nothing.json()["next_page_token"])

    assert kinds(first) == ["kind-0", "kind-1", "kind-2"]
    assert kinds(second) == ["kind-3", "kind-4"]
    assert kinds(nothing) == []
    assert kinds(late) == ["late"]


def test_before_the_first_event_there_is_no_place_to_go_on_from(api):
    assert api.get("events").json() == {"results": [], "next_page_token": None}
