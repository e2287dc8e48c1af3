"""Signals in the form in which Alertmanager and Grafana send alerts: groups, with labels."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NoReturn

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.safeguards import SignalOut
from registry.catalog.models import Alias
from registry.catalog.selectors import alias_named
from registry.core.errors import InvalidInputError, UnknownObjectError
from registry.upgrades.safeguards import live_safeguards, signals_of
from registry.upgrades.services.signals import receive

MOST_ALERTS = 1000
"""In one group (chosen)."""


class AlertIn(serializers.Serializer):
    """One alert; of its labels `signal` names the signal, or else `alertname`."""

    status = serializers.ChoiceField(choices=["firing", "resolved"])
    labels = serializers.DictField(child=serializers.CharField(allow_blank=True))
    annotations = serializers.DictField(
        child=serializers.CharField(allow_blank=True), default=dict, help_text="`summary` is kept"
    )
    startsAt = serializers.DateTimeField(help_text="when it began to fire")


class AlertsIn(serializers.Serializer):
    """A group of alerts; what else is sent is not read."""

    alerts = AlertIn(many=True, allow_empty=False, max_length=MOST_ALERTS)


class AlertsOut(serializers.Serializer):
    """What each declared signal of the group came to."""

    signals = SignalOut(many=True)
    unknown = serializers.ListField(
        child=serializers.CharField(), help_text="names for which no safeguard is declared"
    )
    in_future = serializers.ListField(
        child=serializers.CharField(),
        help_text="names whose alert began in the future by our clock: not taken",
    )


@operation(
    scope=Scope.SIGNAL,
    takes=AlertsIn,
    status=201,
    answers=AlertsOut,
    refuses=["unknown_alias", "unknown_safeguard", "observed_in_future"],
)
def send_alerts(request: Request, model: str, alias: str) -> Response:
    """Take alerts as Alertmanager and Grafana send them as signals; one a name.

    A signal fires if an alert of its name does; it was observed when the last of them began. What
    is wrong with one name keeps no other from being acted on.
    """
    found = alias_named(model, alias)
    named = _by_name(checked(AlertsIn, request.data)["alerts"])
    known = {safeguard.signal for safeguard in live_safeguards(found)}
    unknown, in_future, said = sorted(named.keys() - known), [], []
    for name in sorted(named.keys() & known):
        try:
            told = receive(alias=found, signal=name, actor=request.user, **_as_signal(named[name]))
        except UnknownObjectError:  # withdrawn meanwhile
            unknown.append(name)
        except InvalidInputError:
            in_future.append(name)
        else:
            said.append(told.pk)
    if not said:
        _refuse(found, in_future)
    out = {
        "signals": signals_of(found).filter(pk__in=said),
        "unknown": unknown,
        "in_future": in_future,
    }
    return Response(AlertsOut(out).data, status=201)


def _refuse(alias: Alias, in_future: list[str]) -> NoReturn:
    """Say that nothing of a group was taken, and why."""
    if in_future:
        raise InvalidInputError(
            f"{', '.join(in_future)}: observed in the future: look at the clocks",
            code="observed_in_future",
        )
    raise UnknownObjectError(
        f"no safeguard of {alias} is declared for any of these alerts", code="unknown_safeguard"
    )


def _by_name(alerts: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    named: dict[str, list[Mapping[str, Any]]] = {}
    for alert in alerts:
        labels = alert["labels"]
        name = labels.get("signal") or labels.get("alertname", "")
        named.setdefault(name[:200], []).append(alert)
    return named


def _as_signal(alerts: list[Mapping[str, Any]]) -> dict[str, Any]:
    firing = [alert for alert in alerts if alert["status"] == "firing"]
    last = max(firing or alerts, key=_began)
    said = last["annotations"]
    return {
        "firing": bool(firing),
        "detail": (said.get("summary") or said.get("description", ""))[:2000],
        "observed_at": last["startsAt"],
    }


def _began(alert: Mapping[str, Any]) -> datetime:
    return alert["startsAt"]
