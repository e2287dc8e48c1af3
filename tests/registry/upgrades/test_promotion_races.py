"""When threads of many processes move one alias at once, one wins each epoch, and all is told."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import pytest
from django.db import connection

from registry.accounts.models import Scope
from registry.audit.models import LedgerEntry
from registry.audit.selectors import verified_head
from registry.catalog.models import Alias, AliasMove
from registry.notify.models import OutboxEvent
from registry.upgrades.models import Upgrade
from registry.upgrades.services.roll_back import plan_rollback
from registry.upgrades.states import State
from tests import races, servers
from tests.builders import registry as build
from tests.soak import rounds

PROMOTE, ROLL_BACK = "upgrade.promote", "upgrade.roll_back"

REFUSALS = {
    PROMOTE: {"verdict_stale", "illegal_transition"},
    ROLL_BACK: {"already_serving"},
}
"""How losers are told: the verdict was made for another epoch; the candidate has been promoted, or
rolled back again; the version to go back to serves."""


@dataclass(frozen=True)
class Attempt:
    """One request of a race, and what the ledger calls it when it is refused."""

    action: str
    subject: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def is_dry(self) -> bool:
        return "dry_run" in self.body


def attempts_on(alias: Alias, rivals: list[Upgrade], count: int) -> list[Attempt]:
    """Return, in turn: promote one candidate, promote the other, roll back, only try."""
    before = alias.moves.first().from_version
    unsearchable = plan_rollback(alias=alias, target=before).unsearchable_items
    body = {"version": before.number, "confirm_unsearchable": unsearchable}
    path = f"/api/v1/models/{alias.model.name}/aliases/{alias.name}/rollback"
    back = Attempt(ROLL_BACK, f"alias:{alias}", path, body)
    one, other = (
        (PROMOTE, f"upgrade:{rival.pk}", f"/api/v1/upgrades/{rival.pk}/promote") for rival in rivals
    )
    kinds = [Attempt(*one), Attempt(*other), back, Attempt(*one, {"dry_run": True})]
    return list(islice(cycle(kinds), count))


def assert_one_winner_an_epoch(alias, epoch, told):
    """Every win made one move, the epochs follow on each other, and nothing else moved."""
    won = [(a, t) for a, t in told if t["status"] == 200 and not a.is_dry]
    moves = list(alias.moves.filter(epoch__gt=epoch).order_by("epoch"))
    alias.refresh_from_db()
    assert 1 <= len(moves) <= 2, moves
    assert [move.epoch for move in moves] == list(range(epoch + 1, alias.epoch + 1))
    assert sorted((t["move"]["epoch"], t["move"]["version"], a.action) for a, t in won) == [
        (move.epoch, str(move.to_version), f"upgrade.{move.kind}") for move in moves
    ]
    assert moves[-1].to_version == alias.version
    serving = Upgrade.objects.get(alias=alias, state=State.PROMOTED)
    assert serving.candidate == alias.version
    return moves


def assert_losers_are_told_why(told, epoch):
    """Every other attempt has a stable code; a dry run tells the truth of one moment."""
    for attempt, answer in told:
        if answer["status"] == 200:
            assert not attempt.is_dry or answer["move"]["epoch"] == epoch + 1
        else:
            assert answer["status"] == 409, answer
            assert answer["code"] in REFUSALS[attempt.action], (attempt, answer)


def assert_galleries_agree(alias, moves):
    """Each gallery was cut over once a move, and answers in the space of the alias's version."""
    for gallery in alias.galleries.select_related("live_view"):
        cutovers = gallery.cutovers.filter(alias_epoch__gte=moves[0].epoch).order_by("epoch")
        assert [cutover.alias_epoch for cutover in cutovers] == [move.epoch for move in moves]
        assert [cutover.to_view.encoder for cutover in cutovers] == [m.to_version for m in moves]
        assert gallery.epoch == cutovers.last().epoch
        assert gallery.live_view == cutovers.last().to_view
        assert gallery.live_view.encoder == alias.version


def assert_ledger_is_complete(told, head):
    """One entry for each win and each refusal, none for a dry run, and the chain holds."""
    expected = Counter(
        (a.action, f"upgrade:{t['upgrade']}", None)
        if t["status"] == 200
        else (a.action, a.subject, t["code"])
        for a, t in told
        if not a.is_dry
    )
    written = LedgerEntry.objects.filter(seq__gt=head)
    assert Counter((e.action, e.subject, e.body.get("refused")) for e in written) == expected
    assert verified_head()[0] == head + sum(expected.values())


@pytest.mark.soak
@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_of_attempts_by_threads_of_many_processes_one_wins_each_epoch(
    postgres_folder, tmp_path, soak_row
):
    processes, count = rounds(ci=3, full=10), rounds(ci=24, full=200)
    alias = build.a_promoted_upgrade(build.a_gallery(items=3).alias).alias
    build.an_insert(build.a_gallery(alias), ["a", "b"])
    token = build.a_token(scopes=[Scope.PROMOTE])[1]
    database = servers.postgres_url(postgres_folder, connection.settings_dict["NAME"])
    kinds: Counter[str] = Counter()

    with races.field(processes, database, tmp_path) as field:
        for _ in range(times := rounds(ci=2, full=25)):
            rivals = [build.a_judged_upgrade(alias) for _ in range(2)]
            alias.refresh_from_db()
            epoch, head = alias.epoch, verified_head()[0]
            attempts = attempts_on(alias, rivals, count)

            requests = [{"path": a.path, "body": a.body, "token": token} for a in attempts]
            told = list(zip(attempts, field.race(requests), strict=True))

            moves = assert_one_winner_an_epoch(alias, epoch, told)
            assert_losers_are_told_why(told, epoch)
            assert_galleries_agree(alias, moves)
            assert_ledger_is_complete(told, head)
            kinds.update(move.kind for move in moves)

    assert AliasMove.objects.filter(alias=alias).count() == alias.epoch
    assert OutboxEvent.objects.filter(kind="alias.moved").count() == alias.epoch
    won = f"one winner in each of {kinds.total()} epochs ({kinds['promote']} promotions, "
    soak_row(
        f"promotions, rollbacks, dry runs by {processes} processes",
        f"{times} x {count}",
        won + f"{kinds['roll_back']} rollbacks), ledger complete",
    )
