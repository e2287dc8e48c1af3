"""Move an alias: compare-and-swap on its epoch, with its history entry."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.catalog.models import Alias, AliasMove, ModelVersion
from registry.core.errors import ConflictError


@transaction.atomic
def move_alias(
    *,
    alias: Alias,
    to_version: ModelVersion,
    kind: AliasMove.Kind,
    actor: AbstractUser,
    reason: str,
    evidence: str,
) -> AliasMove:
    """Let ``alias`` name ``to_version``, if its epoch is still the one that the caller read.

    Whether it may move is the caller's decision (``registry.upgrades``); this is the write.

    Raises:
        ConflictError: the alias has moved meanwhile.
    """
    moved = Alias.objects.filter(pk=alias.pk, epoch=alias.epoch).update(
        version=to_version, epoch=alias.epoch + 1
    )
    if moved != 1:
        raise ConflictError(f"{alias} has moved meanwhile", code="alias_moved")
    move = AliasMove.objects.create(
        alias=alias,
        epoch=alias.epoch + 1,
        kind=kind,
        from_version=alias.version,
        to_version=to_version,
        reason=reason,
        evidence=evidence,
        actor=actor,
        at=timezone.now(),
    )
    alias.version, alias.epoch = to_version, alias.epoch + 1
    return move
