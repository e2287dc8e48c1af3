"""Send the registry's own signal: vectors of a gallery are of another encoder than is claimed."""

import logging

from registry.core.errors import RegistryError
from registry.galleries.canaries import in_words, standing_alarms
from registry.galleries.models import DriftAlarm
from registry.upgrades.models import Safeguard
from registry.upgrades.services.signals import receive

log = logging.getLogger(__name__)

DRIFT = "gallery-drift"
"""The signal that nobody has to send: whoever declares a safeguard of that name is heard by us."""


def send_drift_signals() -> int:
    """Signal each check that keeps a drift alarm open, once, where it is declared; return how many.

    Each rollback is a transaction of its own: call it in none. What cannot be sent for one alias
    is logged, tried again the next time, and keeps no other from being sent.
    """
    safeguards = Safeguard.objects.select_related("alias__model", "alias__version").filter(
        signal=DRIFT, withdrawn_at=None
    )
    sent = 0
    for one in safeguards:
        try:
            sent += _send(one)
        except RegistryError as exc:  # withdrawn meanwhile, or checked by a clock that runs ahead
            log.warning("no signal of drift for %s: %s", one, exc)
    return sent


def _send(safeguard: Safeguard) -> int:
    alias = safeguard.alias
    alarms = standing_alarms().filter(gallery__alias=alias, state=DriftAlarm.State.OPEN)
    sent = 0
    for alarm in alarms:
        seen = alarm.last_check.finished_at
        told = safeguard.signals.filter(epoch=alias.epoch, observed_at=seen, sent_by=None)
        if not told.exists():
            detail = f"{alarm.gallery}: {in_words(alarm.finding)}"
            receive(alias=alias, signal=DRIFT, firing=True, detail=detail, observed_at=seen)
            sent += 1
    return sent
