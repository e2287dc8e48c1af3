"""References as people write them: ``faces@production``, ``faces:3``, ``policy:2``."""

import re
from dataclasses import dataclass

from graceful.errors import UsageError

NAME = r"[A-Za-z0-9_-]{1,100}"


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
