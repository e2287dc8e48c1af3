"""A process that dies while it carries a schedule or a signal out leaves all of it or nothing."""

import pytest

from registry.audit.selectors import verified_head
from registry.upgrades.models import ScheduledPromotion, Signal
from registry.upgrades.services.carry_out import carry_out
from registry.upgrades.services.signals import receive
from tests import kills
from tests.builders import registry as make
from tests.builders.staging import SIGNAL, a_guarded_alias, a_schedule, let_it_be_due, the_alias
from tests.soak import rounds

pytestmark = [
    pytest.mark.soak,
    pytest.mark.postgres,
    pytest.mark.process,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def alias():
    """An alias of a gallery with a safeguard; the last move promoted its second version."""
    return a_guarded_alias(items_after=2)


def a_due_schedule(alias):
    """Return the id of one, for a new candidate."""
    held = a_schedule(make.a_judged_upgrade(the_alias(alias.pk)))
    let_it_be_due(held)
    return held.pk


def carried_out(schedule_id):
    """Return a function for a process to run: it may not return rows."""

    def act():
        carry_out(schedule_id=schedule_id)

    return act


def signalled(alias):
    """Return a function that sends the signal, and says what it came to."""
    seen = the_alias(alias.pk)

    def act():
        return receive(alias=seen, signal=SIGNAL, firing=True).reaction

    return act


def state_of(alias, schedule_id):
    """Read what one schedule and its promotion change, and require that they agree."""
    held = ScheduledPromotion.objects.select_related("move").get(pk=schedule_id)
    epoch = the_alias(alias.pk).epoch
    assert (held.state == "done") == (held.move is not None)
    assert held.move is None or held.move.epoch == epoch
    assert alias.galleries.get().live_view.encoder == the_alias(alias.pk).version
    verified_head()
    return held.state, epoch


def test_a_killed_worker_leaves_a_schedule_open_or_done_and_it_is_done_once(alias, soak_row):
    steps = kills.carried_out(carried_out(a_due_schedule(alias))).steps
    killed = done = 0

    for step in kills.spread(steps, rounds(ci=4, full=100)):
        held, epoch = a_due_schedule(alias), the_alias(alias.pk).epoch
        killed += kills.carried_out(carried_out(held), kill_at=step).was_killed
        after = state_of(alias, held)
        assert after in [("open", epoch), ("done", epoch + 1)], step
        done += after[0] == "done"

        for _ in range(2):
            carry_out(schedule_id=held)
            assert state_of(alias, held) == ("done", epoch + 1)

    assert killed >= rounds(ci=3, full=90)
    soak_row(
        f"workers killed in a scheduled promotion ({steps} steps)",
        str(killed),
        f"{killed - done} times still open, {done} done; carried out again: one promotion each",
    )


def test_a_killed_process_leaves_a_signal_acted_on_or_unheard_and_it_rolls_back_once(
    alias, soak_row
):
    steps = kills.carried_out(signalled(alias)).steps
    killed = done = 0

    for step in kills.spread(steps, rounds(ci=4, full=100)):
        make.a_promoted_upgrade(the_alias(alias.pk))
        epoch, heard = the_alias(alias.pk).epoch, Signal.objects.count()
        send = signalled(alias)
        killed += kills.carried_out(send, kill_at=step).was_killed
        after = the_alias(alias.pk).epoch, Signal.objects.count()
        assert after in [(epoch, heard), (epoch + 1, heard + 1)], step
        done += after[0] > epoch

        again = kills.carried_out(send).result
        assert again == ("none" if after[0] > epoch else "rolled_back")
        assert the_alias(alias.pk).epoch == epoch + 1
        assert alias.galleries.get().live_view.encoder == the_alias(alias.pk).version
        verified_head()

    assert killed >= rounds(ci=3, full=90)
    soak_row(
        f"processes killed in an automatic rollback ({steps} steps)",
        str(killed),
        f"{killed - done} times unheard, {done} rolled back; sent again: one rollback each",
    )
