"""Start a shadow: the candidate answers a share of live queries, and nobody sees what."""

import math
from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.policy import Task
from registry.audit.services.record import record
from registry.catalog.models import ModelVersion
from registry.core.errors import (
    ConflictError,
    IllegalTransitionError,
    InvalidInputError,
    noting_refusal,
)
from registry.galleries.models import Gallery
from registry.upgrades.models import Shadow, Upgrade
from registry.upgrades.services.locked import locked_upgrade
from registry.upgrades.services.stop_shadow import end_if_over
from registry.upgrades.states import State

MOST_QUERIES = 10_000_000
"""That one shadow may be asked to sample (chosen)."""


def start_shadow(
    *,
    upgrade_id: int,
    share: float,
    actor: AbstractUser,
    ends_at: datetime | None = None,
    most_queries: int | None = None,
) -> Shadow:
    """Have the search process put a share of queries to the candidate too.

    Args:
        share: of the queries on galleries that follow the alias, above 0, at most 1.
        ends_at: when it is over by itself.
        most_queries: after how many sampled queries it is.

    Raises:
        UnknownObjectError: there is no such upgrade.
        InvalidInputError: the share or an end is out of range, or the candidate embeds nothing.
        IllegalTransitionError: the upgrade is not judged.
        ConflictError: a shadow runs, the candidate cannot be run, or no gallery is searched here.
    """
    asked = {
        "share": share,
        "ends_at": ends_at.isoformat() if ends_at else None,
        "most_queries": most_queries,
    }
    with noting_refusal("shadow.start", f"upgrade:{upgrade_id}", **asked), transaction.atomic():
        upgrade = locked_upgrade(upgrade_id)
        _require_range(share, ends_at, most_queries)
        if upgrade.state != State.JUDGED:
            raise IllegalTransitionError(f"an upgrade that is {upgrade.state} has no shadow")
        _require_runnable(upgrade)
        _require_none(upgrade)
        shadow = Shadow.objects.create(
            upgrade=upgrade,
            alias_epoch=upgrade.alias.epoch,
            share=share,
            ends_at=ends_at,
            most_queries=most_queries,
            started_by=actor,
            started_at=timezone.now(),
        )
        record(
            actor=actor.get_username(),
            action="shadow.start",
            subject=f"upgrade:{upgrade.pk}",
            shadow=shadow.pk,
            **asked,
        )
        return shadow


def _require_range(share: float, ends_at: datetime | None, most_queries: int | None) -> None:
    if not (math.isfinite(share) and 0 < share <= 1):
        raise InvalidInputError("a share lies above 0 and is at most 1", code="invalid_share")
    if ends_at is not None and ends_at <= timezone.now():
        raise InvalidInputError("the end lies in the past", code="invalid_end")
    if most_queries is not None and not 1 <= most_queries <= MOST_QUERIES:
        raise InvalidInputError(
            f"a number of queries lies from 1 to {MOST_QUERIES:,}", code="invalid_end"
        )


def _require_runnable(upgrade: Upgrade) -> None:
    candidate = upgrade.candidate
    if candidate.model.task != Task.EMBEDDING:
        raise InvalidInputError(f"{candidate} is no encoder", code="not_an_encoder")
    if candidate.is_recorded:
        raise ConflictError(
            f"{candidate} has no weights that a query could be encoded with",
            code="encoder_without_weights",
        )
    if candidate.state != ModelVersion.State.READY:
        raise ConflictError(f"{candidate} is {candidate.state}", code="version_not_ready")
    here = upgrade.alias.galleries.filter(kind=Gallery.Kind.EMBEDDED)
    if not here.exists():
        raise ConflictError(
            f"no gallery that is searched here follows {upgrade.alias}", code="no_gallery"
        )


def _require_none(upgrade: Upgrade) -> None:
    running = Shadow.objects.filter(upgrade=upgrade, state=Shadow.State.RUNNING).first()
    if running is not None and not end_if_over(running.pk):
        raise ConflictError(f"{running} is running", code="shadow_running")
