"""References as people write them: ``faces@production``, ``faces:3``, ``policy:2``."""

import re
from dataclasses import dataclass

from graceful.errors import UsageError

NAME = r"[A-Za-z0-9_-]{1,100}"

PRODUCTION = "production"
"""The alias that is meant where none is said."""


@dataclass(frozen=True)
class AliasReference:
    """An alias of a model."""

    model: str
    alias: str

    def __str__(self) -> str:
        return f"{self.model}@{self.alias}"


@dataclass(frozen=True)
class NumberedReference:
    """A version, a policy revision or an evaluation-set revision."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"


@dataclass(frozen=True)
class PolicyPlace:
    """What a policy is set for: its address in the API, and its name in words."""

    path: str
    words: str

    def __str__(self) -> str:
        return self.words

    @classmethod
    def everything(cls, task: str) -> "PolicyPlace":
        """Return the widest scope of a task."""
        return cls(f"policies/everything/{plain_name(task)}", f"everything {task}")

    @classmethod
    def of_group(cls, task: str, group: str) -> "PolicyPlace":
        """Return the models of a task that belong to a group."""
        return cls(f"policies/groups/{plain_name(task)}/{plain_name(group)}", f"group {group}")

    @classmethod
    def of(cls, text: str) -> "PolicyPlace":
        """Read ``model@alias`` or ``model``, or raise UsageError."""
        if "@" in text:
            alias = alias_reference(text)
            return cls(f"models/{alias.model}/aliases/{alias.alias}/policy", str(alias))
        return cls(f"models/{plain_name(text)}/policy", f"model {text}")


def plain_name(text: str) -> str:
    """Return a name, or raise UsageError where it is none."""
    if not re.fullmatch(NAME, text):
        raise UsageError(f"{text!r} is no name: letters, digits, hyphens, underscores")
    return text


def alias_reference(text: str) -> AliasReference:
    """Read ``model@alias``, or raise UsageError."""
    found = re.fullmatch(rf"({NAME})@({NAME})", text)
    if found is None:
        raise UsageError(f"{text!r} is not MODEL@ALIAS, such as faces@production")
    return AliasReference(found[1], found[2])


def numbered_reference(text: str) -> NumberedReference:
    """Read ``name:3``, or raise UsageError."""
    found = re.fullmatch(rf"({NAME}):([0-9]{{1,9}})", text)
    if found is None:
        raise UsageError(f"{text!r} is not NAME:NUMBER, such as faces:3")
    return NumberedReference(found[1], int(found[2]))
