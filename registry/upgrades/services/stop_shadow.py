"""End a shadow: because a person says so, or because there is nothing left to sample."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core.errors import ConflictError, UnknownObjectError, noting_refusal
from registry.upgrades.models import Shadow, Upgrade
from registry.upgrades.services.advance import ENGINE
from registry.upgrades.shadows import reason_to_end, result_of


def stop_shadow(*, upgrade_id: int, actor: AbstractUser, reason: str = "") -> Shadow:
    """Stop the running shadow of an upgrade; what it has counted stays.

    Raises:
        UnknownObjectError: there is no such upgrade.
        ConflictError: no shadow of it is running.
    """
    with noting_refusal("shadow.stop", f"upgrade:{upgrade_id}"), transaction.atomic():
        if not Upgrade.objects.filter(pk=upgrade_id).exists():
            raise UnknownObjectError(f"no upgrade {upgrade_id}", code="unknown_upgrade")
        running = Shadow.objects.filter(upgrade=upgrade_id, state=Shadow.State.RUNNING)
        shadow = running.select_for_update().first()
        if shadow is None:
            raise ConflictError("no shadow is running", code="no_shadow")
        return _end(shadow, Shadow.End.STOPPED, "shadow.stop", actor.get_username(), reason)


@transaction.atomic
def end_if_over(shadow_id: int) -> bool:
    """End a shadow that has run its course; return whether it is over."""
    shadow = (
        Shadow.objects.select_for_update(of=("self",))
        .select_related("upgrade__alias")
        .get(pk=shadow_id)
    )
    if shadow.state == Shadow.State.OVER:
        return True
    end = reason_to_end(shadow, timezone.now())
    if end:
        _end(shadow, Shadow.End(end), "shadow.end", ENGINE)
    return bool(end)


def end_shadows() -> int:
    """End every shadow that has run its course; return how many are over."""
    running = Shadow.objects.filter(state=Shadow.State.RUNNING).order_by("pk")
    return sum(end_if_over(pk) for pk in running.values_list("pk", flat=True))


def _end(shadow: Shadow, end: Shadow.End, action: str, actor: str, reason: str = "") -> Shadow:
    shadow.state, shadow.end, shadow.ended_at = Shadow.State.OVER, end, timezone.now()
    shadow.save(update_fields=["state", "end", "ended_at"])
    result = result_of(shadow)
    record(
        actor=actor,
        action=action,
        subject=f"upgrade:{shadow.upgrade_id}",
        shadow=shadow.pk,
        end=str(end),
        reason=reason,
        queries=result.queries,
        mean_overlap=result.mean_overlap,
        top1_changed=result.top1_changed,
    )
    return shadow
