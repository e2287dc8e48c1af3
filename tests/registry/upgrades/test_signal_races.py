"""Signals, a promotion and a schedule at the same moment, from many processes: one of them wins."""

import pytest
from django.db import connection

from registry.accounts.models import Scope
from registry.audit.selectors import verified_head
from registry.upgrades.models import Signal
from tests import races, servers
from tests.builders import registry as make
from tests.builders.staging import SIGNAL, a_guarded_alias, the_alias
from tests.soak import rounds


@pytest.mark.soak
@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_signals_beside_a_promotion_undo_the_one_they_were_for_or_nothing(
    postgres_folder, tmp_path, soak_row
):
    alias = a_guarded_alias(items_after=2)
    path = f"/api/v1/models/{alias.model.name}/aliases/{alias.name}/signals"
    token = make.a_token(scopes=[Scope.PROMOTE, Scope.SIGNAL])[1]
    database = servers.postgres_url(postgres_folder, connection.settings_dict["NAME"])
    count, undone = rounds(ci=12, full=100), 0

    with races.field(rounds(ci=2, full=6), database, tmp_path) as field:
        for _ in range(times := rounds(ci=2, full=25)):
            rival, epoch = make.a_judged_upgrade(the_alias(alias.pk)), the_alias(alias.pk).epoch
            said = {"signal": SIGNAL, "firing": True, "epoch": epoch}
            signals = [{"path": path, "body": said, "token": token}] * count
            moving = {"path": f"/api/v1/upgrades/{rival.pk}/promote", "body": {}, "token": token}

            told = field.race([moving, *signals])

            promoted, heard = told[0], told[1:]
            assert {one["status"] for one in heard} == {201}, heard
            back = [one for one in heard if one["reaction"] == "rolled_back"]
            assert len(back) + (promoted["status"] == 200) == 1, told
            codes = {one["code"] for one in heard if one["reaction"] == "none"}
            assert codes <= {"alias_moved", "other_epoch"}
            assert the_alias(alias.pk).epoch == epoch + 1
            undone += len(back)
            if back:
                assert promoted["code"] == "verdict_stale"
                make.a_promoted_upgrade(the_alias(alias.pk))

    assert Signal.objects.filter(reaction="rolled_back").count() == undone
    assert verified_head()[0] > 0
    soak_row(
        "signals beside a promotion, by many processes",
        f"{times} x {count}",
        f"{undone} rollbacks, {times - undone} promotions, one of them in each",
    )
