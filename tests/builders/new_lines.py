"""A candidate that is deliberately a new line, before a gallery of the incumbent's vectors."""

from compat.policy import Task
from compat.verdict import Outcome
from registry.upgrades.models import Upgrade
from registry.upgrades.policy_scopes import Place
from registry.upgrades.services.advance import advance
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.policy_scopes import choose_policy
from tests.builders import registry as build


def a_new_line() -> Upgrade:
    """Return a judged upgrade that passes at level ``none`` and covers no stored vector."""
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    build.a_promoted_upgrade(alias)
    build.a_gallery(alias, items=3)
    document = {"task": "embedding", "inherits": True, "level": "none"}
    revision = add_policy_revision(name="new-line", document=document, actor=build.a_user())
    choose_policy(place=Place.of_alias(alias), revision=revision, actor=build.a_user())
    upgrade = build.an_upgrade(alias)
    advance(upgrade_id=upgrade.pk)
    build.compute_outputs()
    advance(upgrade_id=upgrade.pk)
    build.compare(outcome=Outcome.FAILED)
    return advance(upgrade_id=upgrade.pk)
