"""The page of an alias: what guards it is changed here, and every change is in the ledger."""

from registry.audit.models import LedgerEntry
from registry.upgrades.effective_policies import effective_policy
from registry.upgrades.models import AliasGate
from tests.builders import registry as make
from tests.registry.web.conftest import text_of


def path_of(alias, *parts):
    return "/".join([f"/models/{alias.model.name}/aliases/{alias.name}", *map(str, parts), ""])


def test_an_alias_without_a_pinned_set_warns(pages):
    assert "every verdict is inconclusive" in text_of(pages.get(path_of(make.an_alias())))


def test_the_policy_is_changed(pages):
    alias, policy = make.an_alias(), make.a_policy_revision()

    response = pages.post(path_of(alias, "policy"), {"policy-policy": policy.pk})

    assert response.status_code == 303
    assert effective_policy(alias).revision == policy
    assert LedgerEntry.objects.last().actor == "ada"


def test_a_policy_of_another_task_is_not_offered(pages):
    alias, policy = make.an_alias(), make.a_policy_revision(task="embedding")

    pages.post(path_of(alias, "policy"), {"policy-policy": policy.pk})

    assert effective_policy(alias).revision != policy


def test_a_set_is_pinned_and_removed(pages):
    alias, revision = make.an_alias(), make.a_set_revision("s")

    pages.post(path_of(alias, "pins"), {"pin-revision": revision.pk})
    pin = AliasGate.objects.get(alias=alias).pins.get()
    pages.post(path_of(alias, "pins", pin.pk, "remove"))

    assert pin.set_revision == revision
    assert not AliasGate.objects.get(alias=alias).pins.exists()


def test_a_set_that_is_not_ready_cannot_be_pinned(pages):
    alias, revision = make.an_alias(), make.a_set_revision("s", state="inspecting")

    pages.post(path_of(alias, "pins"), {"pin-revision": revision.pk})

    assert not AliasGate.objects.get(alias=alias).pins.exists()


def test_a_pin_of_another_alias_is_not_found(pages):
    pin, other = make.a_pin(make.an_alias()), make.an_alias()

    assert pages.post(path_of(other, "pins", pin.pk, "remove")).status_code == 404


def test_history_names_who_moved_it_and_why(pages):
    upgrade = make.a_promoted_upgrade()

    words = text_of(pages.get(path_of(upgrade.alias)))

    assert "it passed" in words
    assert f"{upgrade.created_by}" in words


def test_a_version_is_proposed_again(pages):
    alias = make.an_alias()
    version = make.a_version(alias.model)

    response = pages.post(
        f"/models/{alias.model.name}/versions/{version.number}/propose/", {"alias": alias.name}
    )

    assert response.url == f"/upgrades/{version.upgrades.get().pk}/"


def test_what_serves_already_is_not_proposed(pages):
    upgrade = make.a_promoted_upgrade()
    path = f"/models/{upgrade.alias.model.name}/versions/{upgrade.candidate.number}/propose/"

    response = pages.post(path, {"alias": "production"}, follow=True)

    assert "already_serving" in text_of(response)
