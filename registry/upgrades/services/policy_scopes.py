"""Set policies for scopes, and let models belong to groups."""

from collections.abc import Sequence

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from compat.errors import PolicyError
from registry.audit.services.record import record
from registry.catalog.models import Alias, RegisteredModel
from registry.catalog.services.register_model import require_slug
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError, InvalidInputError, noting_refusal
from registry.upgrades.effective_policies import choices_by_scope, whole_policy
from registry.upgrades.models import PolicyChoice, PolicyRevision
from registry.upgrades.policy_problems import InvalidPolicyError, Problem
from registry.upgrades.policy_scopes import Place, Scope
from registry.upgrades.services.policies import ensure_default


def set_policy(*, alias: Alias, revision: PolicyRevision, actor: AbstractUser) -> PolicyChoice:
    """Let ``revision`` guard one alias, as ``choose_policy`` does for any scope."""
    return choose_policy(place=Place.of_alias(alias), revision=revision, actor=actor)


def choose_policy(*, place: Place, revision: PolicyRevision, actor: AbstractUser) -> PolicyChoice:
    """Set a policy for a scope; verdicts made under another one become stale.

    Raises:
        InvalidInputError: the policy is for another task, or something narrower that inherits
            would no longer be a policy.
    """
    refusal = noting_refusal(_action(place), _subject(place), policy=str(revision))
    with refusal, transaction.atomic():
        return _choose(place, revision, actor)


def _choose(place: Place, revision: PolicyRevision, actor: AbstractUser) -> PolicyChoice:
    if revision.policy.task != place.task:
        raise InvalidInputError("the policy is for another task", code="task_mismatch")
    if place.scope == Scope.GROUP:
        require_slug(place.group)
    if place.scope != Scope.EVERYTHING:
        ensure_default(place.task)
    _lock(place)
    before = PolicyChoice.objects.filter(**place.key).select_related("policy_revision").first()
    choice, _ = PolicyChoice.objects.update_or_create(
        **place.key, defaults={"policy_revision": revision}
    )
    _require_all_whole(place)
    _note_choice(place, actor, str(before.policy_revision) if before else None, str(revision))
    return choice


def inherit_policy(*, place: Place, actor: AbstractUser) -> None:
    """Set nothing for a scope any more: what is wider holds there again.

    Raises:
        ConflictError: nothing is set for it, or it is the widest.
        InvalidInputError: something narrower that inherits would no longer be a policy.
    """
    with noting_refusal(_action(place), _subject(place), policy=None), transaction.atomic():
        _inherit(place, actor)


def _inherit(place: Place, actor: AbstractUser) -> None:
    if place.scope == Scope.EVERYTHING:
        raise ConflictError("there is nothing wider to inherit from", code="nothing_wider")
    _lock(place)
    choice = PolicyChoice.objects.filter(**place.key).select_related("policy_revision").first()
    if choice is None:
        raise ConflictError(f"no policy is set for {place}", code="policy_not_set")
    choice.delete()
    _require_all_whole(place)
    _note_choice(place, actor, str(choice.policy_revision), None)


def set_group(*, model: RegisteredModel, group: str, actor: AbstractUser) -> RegisteredModel:
    """Let a model belong to a group, or to none: it inherits that group's policy.

    Raises:
        InvalidInputError: the name is no slug, or an alias of the model would have no policy.
    """
    refusal = noting_refusal("model.set_group", f"model:{model}", group=group)
    with refusal, transaction.atomic():
        return _set_group(model, group, actor)


def _set_group(model: RegisteredModel, group: str, actor: AbstractUser) -> RegisteredModel:
    if group:
        require_slug(group)
    place = Place.of_model(model)
    _lock(place)
    model.refresh_from_db(fields=["group"])
    before, model.group = model.group, group
    model.save(update_fields=["group"])
    _require_all_whole(place)
    record(
        actor=actor.get_username(),
        action="model.set_group",
        subject=f"model:{model}",
        before=before,
        now=group,
    )
    send_on_commit(TaskName.ADVANCE_UPGRADES)
    return model


def _lock(place: Place) -> None:
    """Lock every alias that it is about, in the one order: a promotion waits, or is waited for."""
    for _ in (
        place.aliases()
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")
        .values_list("pk")
    ):
        pass


def _require_all_whole(place: Place) -> None:
    """Check what holds for the scope itself, and for whatever in it inherits."""
    for stack in _stacks(place):
        try:
            whole_policy(stack)
        except PolicyError as exc:
            problem = Problem("", f"policy for {stack[-1].where}: {exc}")
            raise InvalidPolicyError.of([problem]) from exc


def _stacks(place: Place) -> list[Sequence[PolicyChoice]]:
    """Return each distinct stack of choices that holds somewhere in the scope."""
    by_scope = choices_by_scope(place.task)
    places = [place, *(Place.of_choice(c) for c in by_scope.values() if place.holds(c))]
    places += [Place.of_alias(alias) for alias in place.aliases().select_related("model")]
    stacks = {}
    for one in places:
        stack = [by_scope[key] for key in one.stack if key in by_scope]
        stacks[tuple(choice.pk for choice in stack)] = stack
    return [stack for stack in stacks.values() if stack]


def _action(place: Place) -> str:
    return "alias.set_policy" if place.alias else "policy.set"


def _subject(place: Place) -> str:
    return f"alias:{place.alias}" if place.alias else f"policy scope:{place}"


def _note_choice(place: Place, actor: AbstractUser, before: str | None, now: str | None) -> None:
    record(
        actor=actor.get_username(),
        action=_action(place),
        subject=_subject(place),
        before=before,
        now=now,
    )
    send_on_commit(TaskName.ADVANCE_UPGRADES)
