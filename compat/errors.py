"""Errors of the science package: broken preconditions, never bad luck."""


class CompatError(Exception):
    """A precondition of this package does not hold."""


class ShapeError(CompatError):
    """An array has another rank, length or dtype than stated."""


class UndefinedMeasureError(CompatError):
    """Nothing that was asked for is defined on this input."""


class PolicyError(CompatError):
    """A policy document is not valid; ``path`` says where."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{path}: {detail}" if path else detail)
        self.path = path
