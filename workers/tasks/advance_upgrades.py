"""Carry open upgrades on after something that they wait for has come."""

from celery import shared_task

from registry.core.dispatch import TaskName
from registry.upgrades.services.adapters import resend_ready
from registry.upgrades.services.advance import advance_all
from registry.upgrades.services.rewritings import prepare_rewritings


@shared_task(name=TaskName.ADVANCE_UPGRADES.value, acks_late=True, ignore_result=True)
def advance_upgrades() -> None:
    """Ask for what is missing, judge what is complete, fit and rewrite what waited for that."""
    advance_all()
    prepare_rewritings()
    resend_ready()
