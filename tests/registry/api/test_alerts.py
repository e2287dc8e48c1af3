"""Alerts in groups, as Alertmanager and Grafana send them, are signals of safeguards."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.accounts.models import Scope
from registry.api import alerts
from registry.upgrades.models import Signal
from registry.upgrades.services.safeguards import withdraw_safeguard
from tests.builders.staging import SIGNAL, a_guarded_alias, a_safeguard, the_alias
from tests.registry.api.conftest import Api, refusal


def an_alert(name=SIGNAL, *, began=timedelta(0), label="alertname", **changes):
    return {
        "status": "firing",
        "labels": {label: name, "severity": "critical", "instance": "search-1:9090"},
        "annotations": {"summary": "5 % of searches fail", "description": "for 10 minutes"},
        "startsAt": (timezone.now() + began).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.example/graph",
        "fingerprint": "1a30ba71cca2921f",
    } | changes


def sent(api, alias, *alerts):
    return api.post(
        f"models/{alias.model.name}/aliases/{alias.name}/signals/alerts",
        receiver="registry",
        status="firing",
        alerts=alerts,
        groupLabels={"alertname": SIGNAL},
        commonLabels={},
        commonAnnotations={},
        externalURL="https://alertmanager.example",
        version="4",
        groupKey='{}:{alertname="error-rate"}',
        truncatedAlerts=0,
    )


@pytest.fixture
def alias(db):
    return a_guarded_alias()


@pytest.fixture
def monitoring(db):
    return Api(Scope.SIGNAL)


def test_a_group_with_a_declared_alert_rolls_back(monitoring, alias):
    answer = sent(monitoring, alias, an_alert(), an_alert("DiskFull"))

    assert answer.status_code == 201
    (said,) = answer.json()["signals"]
    assert (said["signal"], said["reaction"]) == (SIGNAL, "rolled_back")
    assert said["detail"] == "5 % of searches fail"
    assert answer.json()["unknown"] == ["DiskFull"]
    assert the_alias(alias.pk).version.number == 1


def test_the_label_signal_goes_before_the_name_of_the_alert(monitoring, alias):
    alert = an_alert(SIGNAL, label="signal")
    alert["labels"]["alertname"] = "Searches fail"

    assert sent(monitoring, alias, alert).json()["signals"][0]["reaction"] == "rolled_back"


def test_what_fired_before_the_promotion_rolls_nothing_back(monitoring, alias):
    old = an_alert(began=timedelta(days=-1))

    answer = sent(monitoring, alias, old)

    assert answer.json()["signals"][0]["code"] == "observed_before"
    assert the_alias(alias.pk).epoch == 2
    assert sent(monitoring, alias, old, an_alert()).json()["signals"][0]["version"] is not None


def test_alerts_of_one_name_are_one_signal_which_fires_if_one_of_them_does(monitoring, alias):
    over = an_alert(status="resolved")

    answer = sent(monitoring, alias, over, over)
    assert [one["code"] for one in answer.json()["signals"]] == ["not_firing"]
    answer = sent(monitoring, alias, over, an_alert(), over)

    assert [one["reaction"] for one in answer.json()["signals"]] == ["rolled_back"]
    assert Signal.objects.count() == 2


def test_each_declared_name_of_a_group_is_answered(monitoring, alias):
    a_safeguard(alias, signal="latency")

    answer = sent(monitoring, alias, an_alert("latency"), an_alert())

    said = {one["signal"]: one["reaction"] for one in answer.json()["signals"]}
    assert said == {SIGNAL: "rolled_back", "latency": "none"}


def test_the_nanoseconds_of_prometheus_are_read(monitoring, alias):
    alert = an_alert(startsAt="2018-08-03T09:52:26.739266876+02:00")

    assert sent(monitoring, alias, alert).json()["signals"][0]["code"] == "observed_before"


def test_a_group_without_a_declared_alert_is_told(monitoring, alias):
    assert refusal(sent(monitoring, alias, an_alert("DiskFull"))) == (404, "unknown_safeguard")
    assert not Signal.objects.exists()


@pytest.mark.parametrize(
    "group",
    [
        [],
        [an_alert(status="perhaps")],
        [an_alert(labels="none")],
        [an_alert(labels={"alertname": {"nested": 1}})],
        [an_alert(startsAt="soon")],
    ],
)
def test_what_is_no_group_of_alerts_is_refused(monitoring, alias, group):
    assert refusal(sent(monitoring, alias, *group)) == (400, "invalid_input")
    assert the_alias(alias.pk).epoch == 2


def test_one_alert_with_a_wrong_clock_keeps_no_other_from_rolling_back(monitoring, alias):
    a_safeguard(alias, signal="a-latency")
    ahead = an_alert("a-latency", began=timedelta(hours=1))

    answer = sent(monitoring, alias, ahead, an_alert())

    assert answer.status_code == 201
    assert [one["reaction"] for one in answer.json()["signals"]] == ["rolled_back"]
    assert (answer.json()["in_future"], answer.json()["unknown"]) == (["a-latency"], [])
    assert Signal.objects.count() == 1


def test_a_safeguard_that_was_withdrawn_meanwhile_keeps_no_other_from_rolling_back(
    monitoring, alias, monkeypatch
):
    gone = a_safeguard(alias, signal="a-latency")
    known = [gone, alias.safeguards.get(signal=SIGNAL)]
    withdraw_safeguard(alias=alias, signal=gone.signal, actor=gone.declared_by)
    monkeypatch.setattr(alerts, "live_safeguards", lambda _: known)

    answer = sent(monitoring, alias, an_alert("a-latency"), an_alert()).json()

    assert [one["reaction"] for one in answer["signals"]] == ["rolled_back"]
    assert answer["unknown"] == ["a-latency"]


def test_a_clock_that_runs_ahead_is_told(monitoring, alias):
    alert = an_alert(began=timedelta(hours=1))

    assert refusal(sent(monitoring, alias, alert)) == (400, "observed_in_future")
