"""Policies: their immutable revisions, and the scopes that they are set for."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from compat.errors import PolicyError
from compat.policy import Policy as PolicyRules
from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from compat.policy_documents import merge, parse_policy
from compat.self_test import require_caught
from registry.audit.chain import canonical
from registry.audit.services.record import record
from registry.catalog.models import Alias, RegisteredModel
from registry.catalog.services.register_model import require_slug
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import (
    ConflictError,
    DuplicateError,
    InvalidInputError,
    noting_refusal,
)
from registry.upgrades.models import Policy, PolicyChoice, PolicyRevision
from registry.upgrades.policy_problems import (
    InvalidPolicyError,
    Places,
    Problem,
    located,
    require_policy,
)
from registry.upgrades.policy_text import read_written

Scope = PolicyChoice.Scope
_WIDEST_FIRST = [Scope.EVERYTHING, Scope.GROUP, Scope.MODEL, Scope.ALIAS]
_Key = tuple[str, str | int | None]


@dataclass(frozen=True)
class Place:
    """What a policy is set for: everything of a task, a group of models, a model, or an alias."""

    scope: str
    task: str
    group: str = ""
    model: RegisteredModel | None = None
    alias: Alias | None = None

    @classmethod
    def everything(cls, task: str) -> "Place":
        """Return the widest scope of a task."""
        return cls(Scope.EVERYTHING, task)

    @classmethod
    def of_group(cls, task: str, group: str) -> "Place":
        """Return the models of a task that belong to a group."""
        return cls(Scope.GROUP, task, group=group)

    @classmethod
    def of_model(cls, model: RegisteredModel) -> "Place":
        """Return every alias of a model."""
        return cls(Scope.MODEL, model.task, model=model)

    @classmethod
    def of_alias(cls, alias: Alias) -> "Place":
        """Return one alias of one model."""
        return cls(Scope.ALIAS, alias.model.task, alias=alias)

    @classmethod
    def of_choice(cls, choice: PolicyChoice) -> "Place":
        """Return what a policy is set for."""
        return cls(choice.scope, choice.task, choice.group, choice.model, choice.alias)

    @property
    def key(self) -> dict[str, Any]:
        """The columns that name it."""
        return {
            "scope": self.scope,
            "task": self.task,
            "group": self.group,
            "model": self.model,
            "alias": self.alias,
        }

    def __str__(self) -> str:
        return PolicyChoice(**self.key).where

    @property
    def stack(self) -> list[_Key]:
        """The scopes that make up its policy, widest first; its own is the last."""
        model = self.alias.model if self.alias else self.model
        group = self.group or (model.group if model else "")
        keys: list[_Key] = [(Scope.EVERYTHING, None)]
        if group:
            keys.append((Scope.GROUP, group))
        if model:
            keys.append((Scope.MODEL, model.pk))
        if self.alias:
            keys.append((Scope.ALIAS, self.alias.pk))
        return keys

    def holds(self, choice: PolicyChoice) -> bool:
        """Whether a choice is for a part of it."""
        if self.scope == Scope.GROUP:
            model = choice.alias.model if choice.alias else choice.model
            return model is not None and model.group == self.group
        return self.scope == Scope.EVERYTHING

    def aliases(self) -> QuerySet[Alias]:
        """Return the aliases that it is about."""
        within = {
            Scope.EVERYTHING: Q(),
            Scope.GROUP: Q(model__group=self.group),
            Scope.MODEL: Q(model=self.model),
            Scope.ALIAS: Q(pk=self.alias.pk if self.alias else None),
        }
        return Alias.objects.filter(within[Scope(self.scope)], model__task=self.task)


@dataclass(frozen=True)
class EffectivePolicy:
    """What guards an alias after inheritance, and where each part of it comes from.

    Attributes:
        rules: the parsed whole.
        document: the same, as a document.
        origins: part of the document to the scope that set it, as ``merge`` names them.
        layers: what is set for each scope, widest first.
    """

    rules: PolicyRules
    document: dict[str, Any]
    origins: dict[str, str]
    layers: tuple[PolicyChoice, ...]

    @property
    def revision(self) -> PolicyRevision:
        """The most specific revision that is set."""
        return self.layers[-1].policy_revision

    @property
    def digest(self) -> str:
        """One digest of the whole document."""
        return _digest(self.document)

    def as_json(self) -> dict[str, Any]:
        """Return it as a verdict keeps it."""
        return {
            "document": self.document,
            "origins": self.origins,
            "layers": [[layer.where, str(layer.policy_revision)] for layer in self.layers],
        }


def effective_policy(alias: Alias) -> EffectivePolicy:
    """Return what guards an alias.

    Raises:
        ConflictError: what is set for the scopes does not fit together, or nothing is set.
    """
    return _effective_for(alias, _choices_about(alias.model, Q(alias=alias)))


def effective_policies(model: RegisteredModel) -> dict[int, EffectivePolicy]:
    """Return what guards each alias of a model, by the alias's id.

    Raises:
        ConflictError: as ``effective_policy``.
    """
    choices = list(_choices_about(model, Q(alias__model=model)))
    return {
        alias.pk: _effective_for(alias, [c for c in choices if c.alias_id in {None, alias.pk}])
        for alias in model.aliases.select_related("model")
    }


def policy_if_set(
    *, place: Place, document: Mapping[str, Any], places: Places | None = None
) -> EffectivePolicy:
    """Return what would hold for a scope, were this policy set for it; the layer has no revision.

    Args:
        place: the scope.
        document: a policy, whole or inheriting the rest.
        places: where it is written; None where it came as an object.

    Raises:
        InvalidInputError: it is for another task, or what would hold is no policy.
    """
    if document["task"] != place.task:
        raise InvalidInputError(f"{place} is not for {document['task']}", code="task_mismatch")
    by_scope = _by_scope(place.task)
    layers = [by_scope[key] for key in place.stack[:-1] if key in by_scope]
    if not layers and place.scope != Scope.EVERYTHING:
        layers = [_unsaved(Place.everything(place.task), DEFAULTS[Task(place.task)])]
    layers.append(_unsaved(place, document))
    try:
        return _whole(layers)
    except PolicyError as exc:
        part = exc.path.partition("[")[0]
        problem = Problem(part, f"what would hold for {place} is no policy: {exc}")
        raise InvalidPolicyError.of(located([problem], places)) from exc


@transaction.atomic
def add_policy_revision(
    *,
    name: str,
    actor: AbstractUser,
    document: Mapping[str, Any] | None = None,
    text: str = "",
) -> PolicyRevision:
    """Store a policy as a new revision; it attaches itself to nothing.

    Args:
        name: of the policy.
        actor: who adds it.
        document: what it says.
        text: the same in YAML or JSON, kept with its comments; read where there is no document.

    Raises:
        InvalidInputError: it is not a policy, or is for another task than the name's.
        DuplicateError: the same document is a revision already.
    """
    require_slug(name)
    written = read_written(text) if document is None else None
    document = written.document if written else document
    task = require_policy(document, written)
    Policy.objects.get_or_create(name=name, defaults={"task": task, "created_at": timezone.now()})
    policy = Policy.objects.select_for_update().get(name=name)
    if policy.task != task:
        raise InvalidInputError(f"{name} is a policy for {policy.task}", code="task_mismatch")
    digest = _digest(document)
    same = policy.revisions.filter(digest=digest).first()
    if same is not None:
        raise DuplicateError(f"{same} is the same document", code="duplicate_policy")
    revision = _add(policy, document, digest, actor, text)
    record(
        actor=actor.get_username(),
        action="policy.add_revision",
        subject=f"policy:{revision}",
        digest=digest,
    )
    return revision


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


def ensure_default(task: str) -> None:
    """Set the task's documented default for everything, where nothing is set yet."""
    if PolicyChoice.objects.filter(scope=Scope.EVERYTHING, task=task).exists():
        return
    document = DEFAULTS[Task(task)]
    policy, _ = Policy.objects.get_or_create(
        name=f"default-{task}", defaults={"task": task, "created_at": timezone.now()}
    )
    policy = Policy.objects.select_for_update().get(pk=policy.pk)
    digest = _digest(document)
    same = policy.revisions.filter(digest=digest).first()
    PolicyChoice.objects.get_or_create(
        scope=Scope.EVERYTHING,
        task=task,
        defaults={"policy_revision": same or _add(policy, document, digest, None, "")},
    )


def _choices_about(model: RegisteredModel, narrowest: Q) -> QuerySet[PolicyChoice]:
    asked = Q(scope=Scope.EVERYTHING, task=model.task) | Q(model=model) | narrowest
    if model.group:
        asked |= Q(scope=Scope.GROUP, task=model.task, group=model.group)
    return PolicyChoice.objects.filter(asked).select_related(
        "policy_revision__policy", "policy_revision__created_by", "model", "alias__model"
    )


def _effective_for(alias: Alias, choices: Iterable[PolicyChoice]) -> EffectivePolicy:
    try:
        return _effective(choices)
    except PolicyError as exc:
        raise ConflictError(f"the policy of {alias}: {exc}", code="policy_conflict") from exc


def _effective(choices: Iterable[PolicyChoice]) -> EffectivePolicy:
    layers = sorted(choices, key=lambda choice: _WIDEST_FIRST.index(Scope(choice.scope)))
    whole = merge([(layer.where, layer.policy_revision.document) for layer in layers])
    return EffectivePolicy(
        parse_policy(whole.document), whole.document, whole.origins, tuple(layers)
    )


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
            _whole(stack)
        except PolicyError as exc:
            problem = Problem("", f"policy for {stack[-1].where}: {exc}")
            raise InvalidPolicyError.of([problem]) from exc


def _whole(stack: Sequence[PolicyChoice]) -> EffectivePolicy:
    found = _effective(stack)
    require_caught(found.rules)
    return found


def _stacks(place: Place) -> list[Sequence[PolicyChoice]]:
    """Return each distinct stack of choices that holds somewhere in the scope."""
    by_scope = _by_scope(place.task)
    places = [place, *(Place.of_choice(c) for c in by_scope.values() if place.holds(c))]
    places += [Place.of_alias(alias) for alias in place.aliases().select_related("model")]
    stacks = {}
    for one in places:
        stack = [by_scope[key] for key in one.stack if key in by_scope]
        stacks[tuple(choice.pk for choice in stack)] = stack
    return [stack for stack in stacks.values() if stack]


def _by_scope(task: str) -> dict[_Key, PolicyChoice]:
    choices = PolicyChoice.objects.filter(task=task).select_related(
        "policy_revision__policy", "model", "alias__model"
    )
    return {(c.scope, c.group or c.model_id or c.alias_id): c for c in choices}


def _unsaved(place: Place, document: Mapping[str, Any]) -> PolicyChoice:
    revision = PolicyRevision(policy=Policy(task=place.task), document=document)
    return PolicyChoice(**place.key, policy_revision=revision)


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


def _add(
    policy: Policy,
    document: Mapping[str, Any],
    digest: str,
    actor: AbstractUser | None,
    text: str,
) -> PolicyRevision:
    revision = PolicyRevision.objects.create(
        policy=policy,
        number=policy.next_number,
        document=document,
        text=text,
        digest=digest,
        created_by=actor,
        created_at=timezone.now(),
    )
    policy.next_number += 1
    policy.save(update_fields=["next_number"])
    return revision


def _digest(document: Mapping[str, Any]) -> str:
    try:
        return hashlib.sha256(canonical(document).encode()).hexdigest()
    except ValueError as exc:
        raise InvalidInputError(f"policy: {exc}", code="invalid_policy") from exc
