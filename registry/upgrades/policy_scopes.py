"""What a policy may be set for, and what inherits from what."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from registry.catalog.models import Alias, RegisteredModel
from registry.upgrades.models import PolicyChoice

Scope = PolicyChoice.Scope

WIDEST_FIRST = [Scope.EVERYTHING, Scope.GROUP, Scope.MODEL, Scope.ALIAS]

Key = tuple[str, str | int | None]
"""A scope and what names it there: a group, or the id of a model or an alias."""


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
    def stack(self) -> list[Key]:
        """The scopes that make up its policy, widest first; its own is the last."""
        model = self.alias.model if self.alias else self.model
        group = self.group or (model.group if model else "")
        keys: list[Key] = [(Scope.EVERYTHING, None)]
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
