"""Who subscribes to what, with which secrets, and what the ledger says of it."""

import base64
from datetime import timedelta

import pytest
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.core.errors import IllegalTransitionError, InvalidInputError, UnknownObjectError
from registry.notify.filters import matches
from registry.notify.models import Subscription
from registry.notify.selectors import subscriptions_of
from registry.notify.services import deliveries
from registry.notify.services.rotate_secret import rotate_secret
from registry.notify.services.subscribe import subscribe
from registry.notify.services.switch import activate, deactivate
from tests.builders import registry as make
from tests.builders import webhooks as build

pytestmark = pytest.mark.django_db


def secrets_of(subscription):
    """Return what signs its messages now."""
    job = deliveries.claim(delivery_id=build.a_delivery(subscription).pk)
    return job.secrets


def ledger():
    return list(LedgerEntry.objects.filter(subject__startswith="webhook:").order_by("seq"))


def test_a_secret_is_long_random_and_in_the_form_that_libraries_take():
    one, two = build.a_subscription().secret, build.a_subscription().secret

    assert one.startswith("whsec_")
    assert len(base64.b64decode(one.removeprefix("whsec_"), validate=True)) == 32
    assert one != two


def test_the_ledger_names_the_origin_and_no_secret():
    subscription = build.a_subscription(kinds=["alias.moved", "upgrade.*", "alias.moved"])

    (entry,) = ledger()
    assert (entry.action, entry.subject) == ("webhook.create", f"webhook:{subscription.pk}")
    assert entry.body == {
        "target": "https://hooks.example.com",
        "kinds": ["alias.moved", "upgrade.*"],
    }


@pytest.mark.parametrize(
    "kinds",
    [[], [""], ["alias moved"], ["Alias.moved"], ["*.moved"], ["alias.**"], ["alias*"], ["."]]
    + [["alias."], ["a" * 65], [f"kind_{'x' * n}" for n in range(21)], ["alias.moved", "%"]],
)
def test_what_names_no_kind_of_event_is_refused(kinds):
    with pytest.raises(InvalidInputError) as refused:
        subscribe(owner=make.a_user(), url=build.URL, kinds=kinds)

    assert refused.value.code == "invalid_event_filter"
    assert not Subscription.objects.exists()


def test_a_private_target_is_refused_and_the_attempt_is_for_the_ledger(settings):
    with pytest.raises(InvalidInputError) as refused:
        build.a_subscription(url="https://10.0.0.1/")

    assert (refused.value.code, refused.value.refusal.action) == (
        "target_not_allowed",
        "webhook.create",
    )
    settings.WEBHOOK_ALLOW_PRIVATE = True
    build.a_subscription(url="https://10.0.0.1/")


@pytest.mark.parametrize(
    ("kind", "pattern", "fits"),
    [
        ("alias.moved", "alias.moved", True),
        ("alias.moved", "alias.*", True),
        ("alias.moved", "*", True),
        ("alias.moved", "alias", False),
        ("alias.moved", "alias.moved.*", False),
        ("alias.moved_back", "alias.moved", False),
        ("aliases.moved", "alias.*", False),
        ("upgrade.judged", "alias.*", False),
    ],
)
def test_a_kind_fits_its_name_or_its_beginning(kind, pattern, fits):
    assert matches(kind, [pattern]) is fits
    assert matches(kind, ["webhook.ping", pattern]) is fits


def test_after_a_rotation_both_secrets_sign_until_the_old_one_ends():
    subscription = build.a_subscription()
    old = subscription.secret

    _, new = rotate_secret(subscription_id=subscription.pk, actor=subscription.owner)

    assert secrets_of(subscription) == (new, old)
    Subscription.objects.update(previous_secret_until=timezone.now() - timedelta(seconds=1))
    assert secrets_of(subscription) == (new,)
    assert ledger()[-1].action == "webhook.rotate_secret"
    assert new not in str([entry.body for entry in LedgerEntry.objects.all()])


def test_a_leaked_secret_ends_at_once_and_is_forgotten():
    subscription = build.a_subscription()

    _, new = rotate_secret(
        subscription_id=subscription.pk, actor=subscription.owner, keep_old_hours=0
    )

    assert secrets_of(subscription) == (new,)
    subscription.refresh_from_db()
    assert (subscription.previous_secret, subscription.previous_secret_until) == ("", None)


def test_a_second_rotation_ends_the_oldest_secret():
    subscription = build.a_subscription()
    who = {"subscription_id": subscription.pk, "actor": subscription.owner}

    _, second = rotate_secret(**who)
    _, third = rotate_secret(**who)

    assert secrets_of(subscription) == (third, second)


@pytest.mark.parametrize("hours", [-1, 169])
def test_an_overlap_out_of_range_is_refused(hours):
    subscription = build.a_subscription()

    with pytest.raises(InvalidInputError) as refused:
        rotate_secret(
            subscription_id=subscription.pk, actor=subscription.owner, keep_old_hours=hours
        )

    assert refused.value.code == "invalid_overlap"


def test_switching_off_gives_up_what_waits_and_switching_on_starts_afresh():
    subscription = build.a_subscription()
    waiting = build.a_delivery(subscription)
    who = {"subscription_id": subscription.pk, "actor": subscription.owner}

    deactivate(**who)
    deactivate(**who)

    waiting.refresh_from_db()
    assert (waiting.work_state, waiting.error_code) == ("failed", "webhook_inactive")
    build.an_event()
    assert subscription.deliveries.count() == 1
    activate(**who)
    with pytest.raises(IllegalTransitionError, match="active"):
        activate(**who)
    build.an_event()
    assert subscription.deliveries.count() == 2
    assert [entry.action for entry in ledger()] == [
        "webhook.create",
        "webhook.deactivate",
        "webhook.activate",
    ]
    assert ledger()[1].body == {"reason": "by_person", "given_up": 1}


def test_only_the_owner_and_an_administrator_see_and_change_a_subscription():
    subscription = build.a_subscription()
    other, chief = make.a_user(), make.a_user(is_staff=True)

    for service in (rotate_secret, deactivate, activate):
        with pytest.raises(UnknownObjectError):
            service(subscription_id=subscription.pk, actor=other)
    assert list(subscriptions_of(other)) == []
    assert list(subscriptions_of(chief)) == list(subscriptions_of(subscription.owner))
    assert not deactivate(subscription_id=subscription.pk, actor=chief).active


def test_reading_subscriptions_does_not_load_their_secrets():
    (found,) = subscriptions_of(build.a_subscription().owner)

    assert found.get_deferred_fields() == {"secret", "previous_secret"}
