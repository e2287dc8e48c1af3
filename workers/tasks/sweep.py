"""Find what was lost: leases that ran out, messages that never came, verdicts gone stale."""

import time

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from registry.api.forgetting import forget_old_keys
from registry.api.incoming import sweep as sweep_uploads
from registry.core.data import artifact_store
from registry.core.dispatch import TaskName
from registry.evaluation.services.sweep import sweep as sweep_evaluation
from registry.galleries.services.check_canaries import sweep as sweep_checks_of_canaries
from registry.galleries.services.hand_in_canaries import sweep as sweep_canaries
from registry.galleries.services.sweep import discard_drafts
from registry.galleries.services.sweep import sweep as sweep_galleries
from registry.galleries.services.twins import discard_past_probation
from registry.notify.services.sweep import discard_old_deliveries
from registry.notify.services.sweep import sweep as sweep_notify
from registry.upgrades.services.adapters import sweep as sweep_adapters
from registry.upgrades.services.advance import advance_all
from registry.upgrades.services.carry_out import sweep as sweep_schedules
from registry.upgrades.services.checks import sweep as sweep_checks
from registry.upgrades.services.drift_signals import send_drift_signals
from registry.upgrades.services.rewritings import prepare_rewritings
from registry.upgrades.services.stop_shadow import end_shadows
from registry.upgrades.services.withdraw import expire_untouched
from workers.runners.folders import discard_abandoned

UPLOAD_KEPT_S = 24 * 3600
"""An upload that nobody finished is removed after a day (chosen)."""


@shared_task(name=TaskName.SWEEP.value, acks_late=True, ignore_result=True)
def sweep() -> None:
    """Ask again for lost work, re-judge stale upgrades, close and remove what nobody wants."""
    with transaction.atomic():
        sweep_evaluation()
        sweep_galleries()
        sweep_notify()
        sweep_checks()
        sweep_adapters()
        expire_untouched()
        sweep_schedules()
    discard_past_probation()  # locks galleries first, so it comes after what locks their segments
    with transaction.atomic():
        sweep_checks_of_canaries()  # locks galleries, then what is checked by
        sweep_canaries()
    send_drift_signals()
    advance_all()
    prepare_rewritings()
    end_shadows()
    now = timezone.now()
    sweep_uploads(now)
    forget_old_keys(now)
    discard_old_deliveries(now)
    long_ago = time.time() - UPLOAD_KEPT_S
    artifact_store().discard_stale_uploads(older_than=long_ago)
    discard_drafts(older_than=long_ago)
    discard_abandoned()
