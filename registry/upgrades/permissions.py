"""Who may decide on a candidate."""

from django.contrib.auth.models import AbstractUser

from registry.core.errors import NotPermittedError
from registry.upgrades.models import AliasGate, Upgrade


def require_approver(actor: AbstractUser, upgrade: Upgrade) -> None:
    """Raise NotPermittedError unless ``actor`` may decide on this candidate.

    The people named for the alias may; where none is named, every account may. Who uploaded the
    candidate or proposed it may not, unless the gate says so.
    """
    gate = AliasGate.objects.get(alias=upgrade.alias_id)
    if gate.approvers.exists() and not gate.approvers.filter(pk=actor.pk).exists():
        raise NotPermittedError(f"{actor} may not approve for {upgrade.alias}", code="not_approver")
    own = actor.pk in {upgrade.created_by_id, upgrade.candidate.created_by_id}
    if own and not gate.uploader_may_approve:
        raise NotPermittedError("nobody decides on their own candidate", code="own_candidate")
