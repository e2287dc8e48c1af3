"""Policies are set for everything, a group, a model or an alias; what is narrower inherits."""

import pytest

from compat.policy import Level, Task
from compat.policy_defaults import DEFAULTS
from registry.audit.models import LedgerEntry
from registry.core.errors import ConflictError, InvalidInputError, RegistryError
from registry.upgrades.effective_policies import effective_policies, effective_policy, policy_if_set
from registry.upgrades.models import PolicyChoice, Upgrade
from registry.upgrades.policy_scopes import Place
from registry.upgrades.services.gates import ensure_alias
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.policy_scopes import choose_policy, inherit_policy, set_group
from registry.upgrades.services.promote import promote
from registry.upgrades.states import State
from tests.builders import registry as build

TASK = Task.CLASSIFICATION
RULES = DEFAULTS[TASK]["rules"]
pytestmark = pytest.mark.django_db


def a_revision(**document):
    whole = document if document.get("inherits") else {**DEFAULTS[TASK], **document}
    document = {"task": TASK.value, **whole}
    return add_policy_revision(name=build.a_name("policy"), document=document, actor=build.a_user())


def choose(place, **document):
    return choose_policy(place=place, revision=a_revision(**document), actor=build.a_user())


def level(alias):
    return effective_policy(alias).rules.level


def test_a_new_alias_inherits_the_documented_default():
    alias = build.an_alias()

    found = effective_policy(alias)

    assert found.document == DEFAULTS[TASK]
    assert [layer.where for layer in found.layers] == ["everything classification"]
    assert not PolicyChoice.objects.filter(alias=alias).exists()


def test_the_narrowest_scope_that_says_something_wins():
    alias = build.an_alias()
    model = set_group(model=alias.model, group="vision", actor=build.a_user())
    other = build.an_alias()

    choose(Place.everything(TASK), level="forward")
    assert (level(alias), level(other)) == (Level.FORWARD, Level.FORWARD)
    choose(Place.of_group(TASK, "vision"), inherits=True, level="full")
    assert (level(alias), level(other)) == (Level.FULL, Level.FORWARD)
    choose(Place.of_model(model), inherits=True, level="backward_transitive")
    choose(Place.of_alias(alias), inherits=True, level="none")
    second = ensure_alias(model=model, name="staging")

    assert level(alias) is Level.NONE
    assert level(second) is Level.BACKWARD_TRANSITIVE
    assert effective_policy(alias).origins["level"] == f"alias {alias}"
    assert effective_policy(alias).origins["rules/negative flips"] == "everything classification"


def test_the_policies_of_all_aliases_of_a_model_are_those_of_each(django_assert_num_queries):
    alias = build.an_alias()
    second = ensure_alias(model=alias.model, name="staging")
    choose(Place.of_alias(second), inherits=True, level="none")

    with django_assert_num_queries(2):
        found = effective_policies(alias.model)

    assert {pk: one.document for pk, one in found.items()} == {
        a.pk: effective_policy(a).document for a in (alias, second)
    }


def test_leaving_a_group_leaves_its_policy():
    alias = build.an_alias()
    model = set_group(model=alias.model, group="vision", actor=build.a_user())
    choose(Place.of_group(TASK, "vision"), inherits=True, level="full")

    set_group(model=model, group="", actor=build.a_user())

    alias.refresh_from_db()
    assert level(alias) is Level.BACKWARD
    entry = LedgerEntry.objects.filter(action="model.set_group").last()
    assert entry.body["before"] == "vision"


def test_inheriting_again_is_an_act_of_its_own():
    alias = build.an_alias()
    place = Place.of_alias(alias)
    choose(place, inherits=True, level="none")

    inherit_policy(place=place, actor=build.a_user())

    assert level(alias) is Level.BACKWARD
    assert LedgerEntry.objects.filter(action="alias.set_policy").count() == 2
    with pytest.raises(ConflictError) as refusal:
        inherit_policy(place=place, actor=build.a_user())
    assert refusal.value.code == "policy_not_set"


def test_the_widest_policy_can_be_replaced_and_not_removed():
    with pytest.raises(ConflictError) as refusal:
        inherit_policy(place=Place.everything(TASK), actor=build.a_user())

    assert refusal.value.code == "nothing_wider"


def test_a_wider_policy_that_would_break_a_narrower_one_is_refused_and_nothing_changes():
    alias = build.an_alias()
    choose(Place.of_alias(alias), inherits=True, without=["accuracy kept"])
    rules = [r for r in DEFAULTS[TASK]["rules"] if r["name"] != "accuracy kept"]

    with pytest.raises(InvalidInputError) as refusal:
        choose(Place.everything(TASK), rules=rules)

    assert f"alias {alias}" in str(refusal.value)
    assert effective_policy(alias).rules.rules[0].name == "negative flips"


def test_a_layer_that_leaves_nothing_to_block_is_refused():
    names = [rule["name"] for rule in DEFAULTS[TASK]["rules"]]

    with pytest.raises(InvalidInputError, match="an empty policy is not a pass"):
        choose(Place.of_alias(build.an_alias()), inherits=True, without=names)


def test_a_wider_change_makes_the_verdict_stale_and_it_is_made_anew():
    upgrade = build.a_judged_upgrade()
    first = upgrade.verdict

    choose(Place.everything(TASK), confidence=0.99)
    build.judge(upgrade)

    upgrade = Upgrade.objects.get(pk=upgrade.pk)
    assert upgrade.verdict.number == first.number + 1
    assert upgrade.verdict.policy["document"]["confidence"] == 0.99
    assert upgrade.verdict.policy["origins"]["confidence"] == "everything classification"


def test_a_verdict_under_a_policy_that_is_set_anew_elsewhere_stands():
    upgrade = build.a_judged_upgrade()

    choose(Place.of_alias(build.an_alias()), confidence=0.99)
    promoted = promote(upgrade_id=upgrade.pk, actor=upgrade.created_by, reason="")

    assert promoted.upgrade.state == State.PROMOTED


def test_a_policy_of_another_task_is_refused():
    revision = build.a_policy_revision(task=Task.EMBEDDING)

    with pytest.raises(InvalidInputError) as refusal:
        choose_policy(place=Place.everything(TASK), revision=revision, actor=build.a_user())

    assert refusal.value.code == "task_mismatch"


def test_a_narrow_layer_may_change_what_any_wider_one_has_set():
    alias = build.an_alias()
    model = set_group(model=alias.model, group="vision", actor=build.a_user())
    extra = {**DEFAULTS[TASK]["rules"][0], "name": "extra"}
    choose(Place.of_group(TASK, "vision"), inherits=True, rules=[extra])

    choose(Place.of_model(model), inherits=True, without=["extra"])
    choose(Place.of_model(model), inherits=True, rules=[{**extra, "name": "more"}])
    choose(Place.of_alias(alias), inherits=True, without=["extra", "more"])

    assert effective_policy(alias).document == DEFAULTS[TASK]


def test_a_layer_of_a_model_without_aliases_is_kept_whole_too():
    model = build.a_model()
    choose(Place.of_model(model), inherits=True, without=["accuracy kept"])
    rules = [r for r in DEFAULTS[TASK]["rules"] if r["name"] != "accuracy kept"]

    with pytest.raises(InvalidInputError, match=f"model {model}"):
        choose(Place.everything(TASK), rules=rules)


def test_a_scope_can_be_set_before_there_is_an_alias_and_inherits_the_default():
    choose(Place.of_group(TASK, "vision"), inherits=True, level="full")

    found = PolicyChoice.objects.get(scope="everything").policy_revision

    assert str(found) == "default-classification:1"


@pytest.mark.parametrize(
    ("act", "action", "code"),
    [
        (
            lambda alias: choose_policy(
                place=Place.of_alias(alias),
                revision=build.a_policy_revision(task=Task.EMBEDDING),
                actor=build.a_user(),
            ),
            "alias.set_policy",
            "task_mismatch",
        ),
        (
            lambda alias: inherit_policy(place=Place.of_model(alias.model), actor=build.a_user()),
            "policy.set",
            "policy_not_set",
        ),
        (
            lambda alias: set_group(model=alias.model, group="a b", actor=build.a_user()),
            "model.set_group",
            "invalid_name",
        ),
    ],
)
def test_what_is_refused_is_for_the_ledger(act, action, code):
    with pytest.raises(RegistryError) as refused:
        act(build.an_alias())

    assert (refused.value.refusal.action, refused.value.code) == (action, code)


def test_what_would_hold_is_told_without_setting_anything():
    alias = build.an_alias()
    choose(Place.of_model(alias.model), inherits=True, level="full")
    layer = {"task": TASK.value, "inherits": True, "confidence": 0.99}

    found = policy_if_set(place=Place.of_alias(alias), document=layer)

    assert (found.rules.confidence, found.rules.level) == (0.99, Level.FULL)
    assert found.origins["confidence"] == f"alias {alias}"
    assert found.layers[-1].policy_revision.pk is None
    assert effective_policy(alias).rules.confidence == 0.95


def test_what_would_hold_for_the_first_model_rests_on_the_default():
    layer = {"task": TASK.value, "inherits": True, "level": "full"}

    found = policy_if_set(place=Place.of_model(build.a_model()), document=layer)

    assert found.rules.level is Level.FULL
    assert not PolicyChoice.objects.exists()


@pytest.mark.parametrize(
    ("layer", "path", "code"),
    [
        ({"without": ["gone"]}, ["without"], "invalid_policy"),
        (
            {"level": "full_transitive", "without": ["cumulative flips"]},
            ["level"],
            "invalid_policy",
        ),
        ({"task": "embedding"}, [], "task_mismatch"),
    ],
)
def test_what_would_not_hold_is_told_too(layer, path, code):
    place = Place.of_model(build.a_model())
    document = {"task": TASK.value, "inherits": True, **layer}

    with pytest.raises(InvalidInputError) as refused:
        policy_if_set(place=place, document=document)

    assert refused.value.code == code
    assert [problem.path for problem in getattr(refused.value, "problems", ())] == path
