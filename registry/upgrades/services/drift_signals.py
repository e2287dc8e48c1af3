"""Send the registry's own signal: vectors of a gallery are of another encoder than is claimed."""

from registry.galleries.canaries import in_words, standing_alarms
from registry.galleries.models import DriftAlarm
from registry.upgrades.models import Safeguard
from registry.upgrades.services.signals import receive

DRIFT = "gallery-drift"
"""The signal that nobody has to send: whoever declares a safeguard of that name is heard by us."""


def send_drift_signals() -> int:
    """Signal each check that keeps a drift alarm open, once, where it is declared; return how many.

    Each rollback is a transaction of its own: call it in none.
    """
    safeguards = Safeguard.objects.select_related("alias__model", "alias__version").filter(
        signal=DRIFT, withdrawn_at=None
    )
    return sum(_send(one) for one in safeguards)


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
