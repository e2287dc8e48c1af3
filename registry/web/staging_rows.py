"""What pages show of schedules and safeguards."""

from typing import Any

from django.utils import timezone

from registry.catalog.models import Alias
from registry.upgrades.models import ScheduledPromotion, Upgrade
from registry.upgrades.safeguards import guarded, live_safeguards, signals_of, undoing
from registry.upgrades.selectors import schedules
from registry.upgrades.services.carry_out import waits_for
from registry.upgrades.states import OPEN
from registry.web.staging_forms import SafeguardForm

SHOWN_SIGNALS = 5

State = ScheduledPromotion.State

STANDING_OF_SCHEDULE = {
    State.OPEN: "scheduled",
    State.DONE: "done",
    State.REFUSED: "promotion_refused",
    State.EXPIRED: "expired",
    State.CANCELLED: "cancelled",
}

STANDING_OF_SAFEGUARD = {"refused": "rollback_refused"}
"""Where the word of a state is another one on pages."""


def schedule_of(upgrade: Upgrade) -> dict[str, Any]:
    """Return the schedule of an upgrade that is open, or that ended with something to be told."""
    held = schedules().filter(upgrade=upgrade).first()
    told = {State.OPEN, State.REFUSED, State.EXPIRED}
    if held is None or upgrade.state not in OPEN or held.state not in told:
        return {"schedule": None}
    is_open = held.state == State.OPEN
    return {
        "schedule": held,
        "schedule_is_open": is_open,
        "schedule_standing": STANDING_OF_SCHEDULE[State(held.state)],
        "schedule_waits_for": waits_for(held) if is_open else "",
        "schedule_begun": held.not_before <= timezone.now(),
    }


def safeguards_of(alias: Alias, form: SafeguardForm | None = None) -> dict[str, Any]:
    """Return the safeguards of an alias, what they would do now, and the form to declare one."""
    found = [
        (one, STANDING_OF_SAFEGUARD.get(one.state, one.state))
        for one in guarded(alias, live_safeguards(alias))
    ]
    return {
        "safeguards": found,
        "refused_safeguards": [one for one, _ in found if one.state == "refused"],
        "fired_safeguards": [one for one, _ in found if one.state == "rolled_back"],
        "undoing": undoing(alias),
        "signals": signals_of(alias)[:SHOWN_SIGNALS],
        "safeguard_form": form or SafeguardForm(prefix="safeguard"),
    }
