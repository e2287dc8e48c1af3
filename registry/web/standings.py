"""How states and outcomes look: one table, so that inconclusive never looks like passed."""

from dataclasses import dataclass

from registry.core.leases import WorkState
from registry.upgrades.models import Check, Upgrade
from registry.upgrades.states import OPEN, State


@dataclass(frozen=True)
class Standing:
    """A word, its icon and its style; never told apart by colour alone."""

    key: str
    word: str
    icon: str
    style: str
    meaning: str


def _table(*rows: Standing) -> dict[str, Standing]:
    return {row.key: row for row in rows}


STANDINGS = _table(
    Standing("passed", "passed", "check", "passed", "every blocking rule holds"),
    Standing("failed", "failed", "cross", "failed", "a blocking rule does not hold"),
    Standing(
        "inconclusive",
        "inconclusive",
        "question",
        "inconclusive",
        "the evidence does not decide; this is not a pass",
    ),
    Standing("errored", "errored", "bang", "errored", "something broke while it was measured"),
    Standing("stale", "stale", "clock", "stale", "made for another situation; being redone"),
    Standing("evaluating", "evaluating", "dots", "running", "evidence is being gathered"),
    Standing("inspecting", "inspecting", "dots", "running", "a worker looks into the upload"),
    Standing("queued", "queued", "clock", "waiting", "waits for a worker"),
    Standing("running", "running", "dots", "running", "a worker is at it"),
    Standing("done", "done", "check", "quiet", "finished"),
    Standing("ready", "ready", "check", "quiet", "inspected and usable"),
    Standing("refused", "refused", "cross", "failed", "the upload was refused"),
    Standing("missing", "missing", "dash", "waiting", "nothing has been uploaded yet"),
    Standing("judged", "judged", "check", "quiet", "there is a verdict"),
    Standing("promoted", "serving", "up", "serving", "the alias names this version"),
    Standing("rolled_back", "rolled back", "back", "quiet", "the alias was moved back"),
    Standing("replaced", "replaced", "dash", "quiet", "a later version took over"),
    Standing("rejected", "rejected", "cross", "quiet", "a person said no"),
    Standing("withdrawn", "withdrawn", "dash", "quiet", "closed by a person"),
    Standing("superseded", "superseded", "dash", "quiet", "something newer took its place"),
    Standing("paused", "paused", "clock", "waiting", "goes on when a person resumes it"),
    Standing("stopped", "stopped", "dash", "quiet", "ended by a person; what was done stays"),
    Standing("matches", "matches", "check", "passed", "the vectors are of the claimed version"),
    Standing("differs", "differs", "cross", "failed", "the vectors are not of the claimed version"),
    Standing("unchecked", "unchecked", "dash", "waiting", "it has no canaries"),
    Standing("scheduled", "scheduled", "clock", "waiting", "promoted then, if the gate lets it"),
    Standing("promotion_refused", "refused", "cross", "failed", "refused when its moment came"),
    Standing("expired", "expired", "dash", "quiet", "its window is over"),
    Standing("cancelled", "cancelled", "dash", "quiet", "ended without a promotion"),
    Standing("armed", "armed", "bell", "serving", "its signal rolls the alias back"),
    Standing("idle", "idle", "clock", "waiting", "waits for the next promotion"),
    Standing("rollback_refused", "rollback refused", "bang", "failed", "a person has to decide"),
    Standing("sealed", "sealed", "lock", "quiet", "takes no more items"),
    Standing("insert", "takes inserts", "plus", "running", "new items go here"),
)


def standing_of(upgrade: Upgrade) -> Standing:
    """Return where an upgrade stands: its outcome while it is open, its end afterwards."""
    if upgrade.state == State.JUDGED and upgrade.verdict is not None:
        return STANDINGS[upgrade.verdict.outcome]
    if upgrade.state == State.EVALUATING and upgrade.verdict is not None:
        return STANDINGS["stale"]
    return STANDINGS[upgrade.state]


def standing_of_check(check: Check) -> Standing:
    """Return how checked outputs stand; work that failed is an error, never an outcome."""
    if check.work_state == WorkState.DONE:
        return STANDINGS[check.outcome]
    if check.work_state == WorkState.FAILED:
        return STANDINGS["errored"]
    return STANDINGS[check.work_state]


def is_open(upgrade: Upgrade) -> bool:
    """Whether the upgrade still waits for something."""
    return upgrade.state in OPEN
