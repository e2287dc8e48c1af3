"""An upgrade that nobody wants any more is closed, and readers outside are told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.core.errors import RegistryError
from registry.notify.models import OutboxEvent
from registry.upgrades.models import Upgrade
from registry.upgrades.services.withdraw import KEPT_OPEN, expire_untouched, withdraw
from tests.builders import registry as make

pytestmark = pytest.mark.django_db


def told():
    return [(e.kind, e.subject, e.body) for e in OutboxEvent.objects.all()]


@pytest.mark.parametrize("one", [make.an_upgrade, make.a_judged_upgrade])
def test_a_withdrawal_is_in_the_ledger_and_an_event(one):
    upgrade = one(make.an_alias())
    OutboxEvent.objects.all().delete()

    withdraw(upgrade_id=upgrade.pk, actor=make.a_user("ann"), reason="another way was found")

    upgrade.refresh_from_db()
    assert upgrade.state == "withdrawn"
    facts = {
        "alias": str(upgrade.alias),
        "candidate": str(upgrade.candidate),
        "reason": "another way was found",
    }
    assert told() == [("upgrade.withdrawn", f"upgrade:{upgrade.pk}", facts)]
    entry = LedgerEntry.objects.latest("seq")
    assert (entry.actor, entry.action, entry.body) == ("ann", "upgrade.withdraw", facts)


def test_what_nothing_happened_to_is_closed_with_an_event_each():
    untouched, touched = make.an_upgrade(), make.an_upgrade()
    long_ago = timezone.now() - KEPT_OPEN - timedelta(minutes=1)
    Upgrade.objects.filter(pk=untouched.pk).update(changed_at=long_ago)
    OutboxEvent.objects.all().delete()

    closed = expire_untouched()

    assert closed == 1
    ((kind, subject, body),) = told()
    assert (kind, subject) == ("upgrade.withdrawn", f"upgrade:{untouched.pk}")
    assert body["reason"] == "expired"
    touched.refresh_from_db()
    assert touched.state == "evaluating"


def test_a_withdrawal_that_is_refused_tells_nobody():
    upgrade = make.an_upgrade()
    withdraw(upgrade_id=upgrade.pk, actor=make.a_user())
    OutboxEvent.objects.all().delete()

    with pytest.raises(RegistryError) as refusal:
        withdraw(upgrade_id=upgrade.pk, actor=make.a_user())

    assert refusal.value.code == "illegal_transition"
    assert told() == []
