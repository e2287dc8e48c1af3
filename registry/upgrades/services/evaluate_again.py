"""Evaluate a candidate again on demand: what failed is tried again, and the rest judged anew."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import IllegalTransitionError, noting_refusal
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison, Outputs
from registry.upgrades.models import Upgrade
from registry.upgrades.services.locked import locked_upgrade
from registry.upgrades.services.situation import Situation, situation_of
from registry.upgrades.states import OPEN, State, next_state


def evaluate_again(*, upgrade_id: int, actor: AbstractUser) -> Upgrade:
    """Queue failed outputs and comparisons of an open upgrade again and reopen it.

    What succeeded is stored and is not computed a second time.

    Raises:
        UnknownObjectError: there is no such upgrade.
        IllegalTransitionError: it is not open.
    """
    with noting_refusal("upgrade.evaluate_again", f"upgrade:{upgrade_id}"), transaction.atomic():
        return _evaluate_again(upgrade_id, actor)


def _evaluate_again(upgrade_id: int, actor: AbstractUser) -> Upgrade:
    upgrade = locked_upgrade(upgrade_id)
    if upgrade.state not in OPEN:
        raise IllegalTransitionError(f"cannot evaluate an upgrade that is {upgrade.state}")
    queued = _requeue(situation_of(upgrade))
    if upgrade.state == State.JUDGED:
        upgrade.state = next_state(State.JUDGED, "reopen")
        upgrade.changed_at = timezone.now()
        upgrade.save(update_fields=["state", "changed_at"])
    record(
        actor=actor.get_username(),
        action="upgrade.evaluate_again",
        subject=f"upgrade:{upgrade.pk}",
        queued=queued,
    )
    send_on_commit(TaskName.ADVANCE_UPGRADES)
    return upgrade


def _requeue(situation: Situation) -> int:
    """Queue what failed for this situation again; return how many pieces of work."""
    versions = {version.digest for version in situation.versions}
    sets = {pin.digest for pin in situation.pins}
    failed = {"set_digest__in": sets, "work_state": WorkState.FAILED}
    outputs = Outputs.objects.filter(version_digest__in=versions, **failed)
    comparisons = Comparison.objects.filter(
        old_digest__in=versions, new_digest__in=versions, **failed
    )
    work = [(TaskName.COMPUTE_OUTPUTS, Outputs, row) for row in outputs]
    work += [(TaskName.COMPARE, Comparison, row) for row in comparisons]
    for name, model, row in work:
        leases.requeue(model, row.pk)
        send_on_commit(name, row.pk)
    return len(work)
