"""Do a promotion that was asked for beforehand."""

from celery import shared_task

from registry.core.dispatch import TaskName
from registry.upgrades.services import carry_out as scheduled


@shared_task(name=TaskName.CARRY_OUT.value, acks_late=True, ignore_result=True)
def carry_out(schedule_id: int) -> None:
    """Promote what the schedule is about, if it is due; delivered twice, it is done once."""
    scheduled.carry_out(schedule_id=schedule_id)
