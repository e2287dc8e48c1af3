"""What guards an alias after inheritance, and what would."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from compat.errors import PolicyError
from compat.policy import Policy as PolicyRules
from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from compat.policy_documents import merge, parse_policy
from compat.self_test import require_caught
from registry.audit.chain import canonical
from registry.catalog.models import Alias, RegisteredModel
from registry.core.errors import ConflictError, InvalidInputError
from registry.upgrades.models import Policy, PolicyChoice, PolicyRevision
from registry.upgrades.policy_problems import InvalidPolicyError, Places, Problem, located
from registry.upgrades.policy_scopes import WIDEST_FIRST, Key, Place, Scope


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
        return digest_of(self.document)

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
    by_scope = choices_by_scope(place.task)
    layers = [by_scope[key] for key in place.stack[:-1] if key in by_scope]
    if not layers and place.scope != Scope.EVERYTHING:
        layers = [_unsaved(Place.everything(place.task), DEFAULTS[Task(place.task)])]
    layers.append(_unsaved(place, document))
    try:
        return whole_policy(layers)
    except PolicyError as exc:
        part = exc.path.partition("[")[0]
        problem = Problem(part, f"what would hold for {place} is no policy: {exc}")
        raise InvalidPolicyError.of(located([problem], places)) from exc


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
    layers = sorted(choices, key=lambda choice: WIDEST_FIRST.index(Scope(choice.scope)))
    whole = merge([(layer.where, layer.policy_revision.document) for layer in layers])
    return EffectivePolicy(
        parse_policy(whole.document), whole.document, whole.origins, tuple(layers)
    )


def whole_policy(stack: Sequence[PolicyChoice]) -> EffectivePolicy:
    """Return what a stack of choices comes to, having seen that its rules catch what they must.

    Raises:
        PolicyError: it is no policy.
    """
    found = _effective(stack)
    require_caught(found.rules)
    return found


def choices_by_scope(task: str) -> dict[Key, PolicyChoice]:
    """Return all that is set for a task by the scopes that it is set for."""
    choices = PolicyChoice.objects.filter(task=task).select_related(
        "policy_revision__policy", "model", "alias__model"
    )
    return {(c.scope, c.group or c.model_id or c.alias_id): c for c in choices}


def _unsaved(place: Place, document: Mapping[str, Any]) -> PolicyChoice:
    revision = PolicyRevision(policy=Policy(task=place.task), document=document)
    return PolicyChoice(**place.key, policy_revision=revision)


def digest_of(document: Mapping[str, Any]) -> str:
    """Return the digest of a policy document.

    Raises:
        InvalidInputError: it cannot be written down, such as a number that is none.
    """
    try:
        return hashlib.sha256(canonical(document).encode()).hexdigest()
    except ValueError as exc:
        raise InvalidInputError(f"policy: {exc}", code="invalid_policy") from exc
