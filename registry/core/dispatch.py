"""Ask for background work by name, after commit; the registry imports no task."""

import logging
from enum import StrEnum
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


class TaskName(StrEnum):
    """Every piece of work that the registry may ask for."""

    INSPECT_VERSION = "inspect_version"
    INSPECT_EVALUATION_SET = "inspect_evaluation_set"
    COMPUTE_OUTPUTS = "compute_outputs"
    COMPARE = "compare"
    CHECK = "check"
    FIT_ADAPTER = "fit_adapter"
    ADVANCE_UPGRADES = "advance_upgrades"
    CARRY_OUT = "carry_out"
    INSERT_ITEMS = "insert_items"
    EMBED_TWIN = "embed_twin"
    REWRITE_TWIN = "rewrite_twin"
    SEAL_SEGMENT = "seal_segment"
    BACKFILL = "backfill"
    INSPECT_CANARIES = "inspect_canaries"
    CHECK_CANARIES = "check_canaries"
    FAN_OUT_EVENTS = "fan_out_events"
    DELIVER_WEBHOOK = "deliver_webhook"
    SWEEP = "sweep"


CONTROL = frozenset(
    {
        TaskName.ADVANCE_UPGRADES,
        TaskName.CARRY_OUT,
        TaskName.FAN_OUT_EVENTS,
        TaskName.DELIVER_WEBHOOK,
        TaskName.SWEEP,
    }
)
"""Short work without a child process; everything else goes to the compute queue."""


def queue_of(name: TaskName) -> str:
    """Return the queue that ``name`` runs on."""
    return "control" if name in CONTROL else "compute"


def send_on_commit(name: TaskName, *args: int | str, delay_s: float = 0) -> None:
    """Queue ``name`` once the surrounding transaction commits; send ids, never objects.

    A broker that does not answer loses nothing: the row waits, and the sweeper asks again.

    Args:
        delay_s: how long a worker keeps it before it begins; the row must say so as well, since
            the sweeper and a broker that delivers again know nothing of it.
    """
    transaction.on_commit(partial(_send, name, args, delay_s))


def _send(name: TaskName, args: tuple[int | str, ...], delay_s: float = 0) -> None:
    try:
        current_app.send_task(name, args=args, queue=queue_of(name), countdown=delay_s or None)
    except OperationalError as exc:
        log.warning("%s%s waits for the sweeper: %s", name, args, exc)
