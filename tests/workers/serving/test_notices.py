"""A cutover wakes the search process where the database can tell of it; where not, it looks."""

import threading

import pytest
from django.db import connection, transaction

from registry.galleries.notices import CHANNEL, announce_cutover
from tests.builders.galleries import a_gallery, an_alias, an_encoder, move
from tests.processes import wait_until
from workers.serving import preparation, views
from workers.serving.notices import Notices

pytestmark = pytest.mark.django_db(transaction=True)

LONG_S = 30
"""What only a test that fails waits for."""

END_LISTENERS = """
SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
WHERE datname = current_database() AND query = %s
"""


class Encoder:
    """Stands for a warm encoder."""

    restarts = 0

    def warm(self):
        """Start nothing."""

    def run(self, samples):
        """Is never asked."""
        raise AssertionError

    def close(self):
        """End nothing."""


@pytest.fixture
def notices():
    listening = Notices()
    assert listening.wait(LONG_S), "what was announced before it listened may be news"
    yield listening
    listening.close()


def end_listeners():
    with connection.cursor() as cursor:
        cursor.execute(END_LISTENERS, [f'LISTEN "{CHANNEL}"'])
        return cursor.fetchone()[0]


def test_a_cutover_is_announced_and_then_no_more(notices):
    alias = an_alias()
    old, new = an_encoder(alias), an_encoder(alias)
    gallery = a_gallery(old)
    assert notices.wait(LONG_S), "a new gallery has a live pointer too"

    move(gallery, new)

    assert notices.wait(LONG_S)
    assert not notices.wait(0)


def test_a_cutover_that_is_rolled_back_is_not_announced(notices):
    with transaction.atomic():
        announce_cutover()
        transaction.set_rollback(True)

    assert not notices.wait(0)


def test_a_session_that_was_lost_is_replaced(notices):
    assert end_listeners() == 1

    wait_until(lambda: notices.wait(0), what="a new session")
    announce_cutover()
    assert notices.wait(LONG_S)


def test_where_the_database_cannot_tell_nothing_is_sent_and_the_interval_is_waited_for(
    monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(connection, "vendor", "sqlite")

    with django_assert_num_queries(0):
        announce_cutover()
        assert not Notices().wait(0)
    assert end_listeners() == 0


def test_a_cutover_is_prepared_for_long_before_the_next_look_is_due(search_process, monkeypatch):
    monkeypatch.setattr(preparation, "LOOK_EVERY_S", 3600)
    monkeypatch.setattr(search_process.encoders, "_start", lambda _: Encoder())
    alias = an_alias()
    old, new = an_encoder(alias), an_encoder(alias)
    gallery = a_gallery(old, {"a": [1, 0, 0]})

    def follow():
        for _ in range(3):  # to listen, to be told, to see
            views.preparation.look_and_wait()
        views.preparation._notices.close()
        connection.close()

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    wait_until(lambda: views.preparation.epochs() == {gallery.name: 1}, what="the first look")
    move(gallery, new)
    wait_until(lambda: views.preparation.epochs() == {gallery.name: 2}, what="the next look")

    announce_cutover()
    follower.join(LONG_S)
    assert not follower.is_alive()
