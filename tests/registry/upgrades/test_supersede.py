"""An upgrade is closed in favour of another open one of its alias, and may come back."""

import pytest
from django.db import IntegrityError, transaction

from registry.audit.models import LedgerEntry
from registry.core.errors import RegistryError
from registry.notify.models import OutboxEvent
from registry.upgrades.models import Upgrade
from registry.upgrades.services.propose import propose
from registry.upgrades.services.roll_back import roll_back
from registry.upgrades.services.supersede import supersede
from registry.upgrades.services.withdraw import withdraw
from tests.builders import registry as make

pytestmark = pytest.mark.django_db


def superseded(upgrade, by, **changes):
    values = {"upgrade_id": upgrade.pk, "by_upgrade_id": by.pk, "actor": make.a_user()}
    return supersede(**(values | changes))


def refused(act):
    with pytest.raises(RegistryError) as refusal:
        act()
    return refusal.value


@pytest.mark.parametrize("one", [make.an_upgrade, make.a_judged_upgrade])
def test_an_open_upgrade_gives_way_to_another_and_says_to_which(one):
    upgrade = one(make.an_alias())
    by = make.an_upgrade(upgrade.alias)

    superseded(upgrade, by, reason="has the fix for owls")

    upgrade.refresh_from_db()
    by.refresh_from_db()
    assert (upgrade.state, upgrade.superseded_by, by.state) == ("superseded", by, "evaluating")
    facts = {
        "alias": str(by.alias),
        "candidate": str(upgrade.candidate),
        "by": by.pk,
        "by_candidate": str(by.candidate),
        "reason": "has the fix for owls",
    }
    entry = LedgerEntry.objects.latest("seq")
    assert (entry.action, entry.subject) == ("upgrade.supersede", f"upgrade:{upgrade.pk}")
    assert entry.body == facts
    event = OutboxEvent.objects.latest("pk")
    assert (event.kind, event.body) == ("upgrade.superseded", facts)


def test_it_takes_another_open_upgrade_of_the_same_alias():
    upgrade = make.an_upgrade()
    elsewhere = make.an_upgrade()
    closed = make.an_upgrade(upgrade.alias)
    withdraw(upgrade_id=closed.pk, actor=make.a_user())

    codes = [refused(lambda other=o: superseded(upgrade, other)).code for o in (upgrade, closed)]
    other_alias = refused(lambda: superseded(upgrade, elsewhere))

    assert codes == ["same_upgrade", "not_open"]
    assert other_alias.code == "other_alias"
    assert other_alias.refusal.body == {"by": elsewhere.pk}
    upgrade.refresh_from_db()
    assert (upgrade.state, upgrade.superseded_by) == ("evaluating", None)


@pytest.mark.parametrize("which", ["upgrade_id", "by_upgrade_id"])
def test_an_upgrade_that_is_not_there_is_unknown_and_leaves_no_refusal(which):
    upgrade = make.an_upgrade()
    by = make.an_upgrade(upgrade.alias)

    error = refused(lambda: superseded(upgrade, by, **{which: 999_999}))

    assert (error.code, error.refusal) == ("unknown_upgrade", None)


def test_what_is_closed_is_not_superseded():
    by = make.an_upgrade(make.an_alias())
    withdrawn = make.an_upgrade(by.alias)
    withdraw(upgrade_id=withdrawn.pk, actor=make.a_user())

    assert refused(lambda: superseded(withdrawn, by)).code == "illegal_transition"


def test_no_two_upgrades_supersede_each_other():
    one = make.an_upgrade(make.an_alias())
    two = make.an_upgrade(one.alias)
    superseded(one, two)

    assert refused(lambda: superseded(two, one)).code == "not_open"


def test_proposing_its_candidate_again_opens_it_and_names_no_successor():
    upgrade = make.a_judged_upgrade()
    superseded(upgrade, make.an_upgrade(upgrade.alias))

    propose(alias=upgrade.alias, candidate=upgrade.candidate, actor=make.a_user())

    upgrade.refresh_from_db()
    assert (upgrade.state, upgrade.superseded_by) == ("evaluating", None)


def test_a_rollback_lands_on_a_candidate_whose_new_upgrade_was_superseded():
    first = make.a_promoted_upgrade()
    alias = first.alias
    make.a_promoted_upgrade(alias)
    propose(alias=alias, candidate=first.candidate, actor=make.a_user())
    superseded(first, make.an_upgrade(alias))

    roll_back(alias=alias, target=first.candidate, actor=make.a_user(), reason="owls")

    first.refresh_from_db()
    assert (first.state, first.superseded_by) == ("promoted", None)


def test_only_what_is_superseded_names_another():
    upgrade = make.an_upgrade()
    by = make.an_upgrade(upgrade.alias)

    with pytest.raises(IntegrityError), transaction.atomic():
        Upgrade.objects.filter(pk=upgrade.pk).update(superseded_by=by)
