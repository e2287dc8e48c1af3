"""Safeguards: declared by name, with the way back beforehand; signals: what each came to."""

import pytest

from registry.accounts.models import Scope
from registry.upgrades.models import Safeguard, Signal
from tests.builders import registry as make
from tests.builders.staging import SIGNAL, a_guarded_alias, a_safeguard, the_alias
from tests.registry.api.conftest import Api, refusal

TERMS = {"armed_hours": 24}


def path_of(alias, rest="safeguards"):
    return f"models/{alias.model.name}/aliases/{alias.name}/{rest}"


def declare(api, alias, signal=SIGNAL, **terms):
    return api.send("PUT", path_of(alias, f"safeguards/{signal}"), TERMS | terms)


def signalled(api, alias, **body):
    return api.post(path_of(alias, "signals"), **({"signal": SIGNAL, "firing": True} | body))


def test_it_is_declared_and_shows_the_way_back_beforehand(api):
    alias = a_guarded_alias(items_after=3, forward=False)

    answer = declare(api, alias, "latency", reason="p99", at_most_unsearchable=2)

    assert answer.status_code == 200
    body = answer.json()
    assert (body["signal"], body["state"], body["reason"]) == ("latency", "armed", "p99")
    assert body["declared_by"] == api.owner.username
    assert body["way_back"] == {
        "version": f"{alias.model.name}:1",
        "unsearchable_items": 3,
        "dual_query": False,
        "would_be_refused": True,
    }
    assert api.get(path_of(alias, "safeguards/latency")).json() == body


def test_declared_again_it_is_the_same(api):
    alias = make.an_alias()

    first, again = declare(api, alias), declare(api, alias)

    assert first.json() == again.json()
    assert first.json()["way_back"] is None
    assert first.json()["state"] == "idle"
    assert Safeguard.objects.count() == 1


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"armed_hours": 0}, "invalid_input"),
        ({"armed_hours": None}, "invalid_input"),
        ({"at_most_unsearchable": -1}, "invalid_input"),
        ({"at_most_unsearchable": 2**63}, "invalid_input"),
    ],
)
def test_terms_out_of_range_are_refused(api, terms, code):
    assert refusal(declare(api, make.an_alias(), **terms)) == (400, code)


def test_a_name_that_is_too_long_is_refused(api):
    assert refusal(declare(api, make.an_alias(), "x" * 65)) == (400, "invalid_safeguard")


def test_all_are_listed_by_signal_and_one_is_withdrawn(api):
    alias = a_guarded_alias()
    a_safeguard(alias, signal="latency")

    listed = api.get(path_of(alias)).json()["results"]
    withdrawn = api.send("DELETE", path_of(alias, f"safeguards/{SIGNAL}"))
    again = api.send("DELETE", path_of(alias, f"safeguards/{SIGNAL}"))

    assert [one["signal"] for one in listed] == [SIGNAL, "latency"]
    assert withdrawn.json() == {"alias": str(alias), "signal": SIGNAL}
    assert refusal(again) == (404, "unknown_safeguard")
    assert [one["signal"] for one in api.get(path_of(alias)).json()["results"]] == ["latency"]


def test_a_token_that_may_signal_and_nothing_else_rolls_back(db):
    alias = a_guarded_alias()
    monitoring = Api(Scope.SIGNAL)

    answer = signalled(monitoring, alias, detail="5 % fail", observed_at=None)

    assert answer.status_code == 201
    body = answer.json()
    assert (body["reaction"], body["version"]) == ("rolled_back", f"{alias.model.name}:1")
    assert (body["sent_by"], body["epoch"], body["code"]) == (monitoring.owner.username, 2, "")
    assert the_alias(alias.pk).version.number == 1
    assert refusal(monitoring.get(path_of(alias, "signals"))) == (403, "missing_scope")


def test_a_refused_rollback_is_told_to_who_sent_the_signal_and_stays_to_be_seen(api):
    alias = a_guarded_alias(items_after=3, forward=False)

    answer = signalled(api, alias)

    assert answer.status_code == 201
    assert (answer.json()["reaction"], answer.json()["code"]) == ("refused", "unsearchable_items")
    standing = api.get(path_of(alias, f"safeguards/{SIGNAL}")).json()
    assert standing["state"] == "refused"
    assert standing["explanation"] == "3 items would become unsearchable, and 0 may"


def test_signals_are_listed_newest_first(api):
    alias = a_guarded_alias()
    signalled(api, alias, firing=False)
    signalled(api, alias)

    listed = api.get(path_of(alias, "signals")).json()["results"]

    assert [one["reaction"] for one in listed] == ["rolled_back", "none"]
    assert listed[1]["code"] == "not_firing"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"signal": "nobody-knows"}, 404, "unknown_safeguard"),
        ({"signal": "two words"}, 400, "invalid_input"),
        ({"firing": None}, 400, "invalid_input"),
        ({"firing": "perhaps"}, 400, "invalid_input"),
        ({"detail": "x" * 2001}, 400, "invalid_input"),
        ({"observed_at": "now"}, 400, "invalid_input"),
        ({"observed_at": "2999-01-01T00:00:00Z"}, 400, "observed_in_future"),
        ({"epoch": -1}, 400, "invalid_input"),
    ],
)
def test_what_is_wrong_with_a_signal_is_named_and_nothing_is_kept(api, body, status, code):
    alias = a_guarded_alias()

    assert refusal(signalled(api, alias, **body)) == (status, code)
    assert not Signal.objects.exists()
    assert the_alias(alias.pk).epoch == 2


def test_a_signal_without_saying_whether_it_fires_is_refused(api):
    alias = a_guarded_alias()

    response = api.post(path_of(alias, "signals"), signal=SIGNAL)

    assert refusal(response) == (400, "invalid_input")
    assert the_alias(alias.pk).epoch == 2
