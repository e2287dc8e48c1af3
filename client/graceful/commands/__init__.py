"""The command line: one module a group of commands; each registers itself with ``app``."""

from graceful.commands import (  # noqa: F401 - they register themselves
    adapter,
    backfill,
    canaries,
    check,
    decide,
    diff,
    doctor,
    galleries,
    gate,
    ledger,
    login,
    models,
    moves,
    policy,
    probation,
    push,
    safeguard,
    schedule,
    shadow,
    upgrades,
    waiver,
)
from graceful.commands.root import app

__all__ = ["app"]
