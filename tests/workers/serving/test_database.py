"""The database's connection is kept from search to search, and replaced where it was lost."""

import pytest
from django.db import DataError, OperationalError, connection, connections

from tests.builders.galleries import a_gallery
from workers.serving import settings as serving_settings
from workers.serving.database import on_a_live_connection

pytestmark = pytest.mark.django_db(transaction=True)


def end_session() -> int:
    """End the session of this thread from another one, and return which it was."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        session = cursor.fetchone()[0]
    other = connections.create_connection(connection.alias)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [session])
    other.close()
    return session


def this_session() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def test_no_search_asks_first_whether_its_connection_lives():
    database = serving_settings.DATABASES["default"]

    assert database["CONN_MAX_AGE"] == 60
    assert database["CONN_HEALTH_CHECKS"] is False


def test_a_connection_that_was_lost_is_replaced_within_the_search(search):
    gallery = a_gallery(items={"a": [1, 0, 0]})
    search.ask(gallery, item_id="a")
    lost = end_session()

    assert search.ask(gallery, item_id="a")["epoch"] == 1
    assert this_session() != lost


def test_what_a_live_connection_refuses_is_asked_once():
    asked = []

    def refuse():
        asked.append(this_session())
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    with pytest.raises(DataError):
        on_a_live_connection(refuse)
    assert len(asked) == 1


def test_a_database_that_cannot_be_reached_is_tried_once():
    connection.close()
    asked = []

    def fail():
        asked.append(1)
        raise OperationalError("there is no server")

    with pytest.raises(OperationalError):
        on_a_live_connection(fail)
    assert asked == [1]


def test_a_connection_that_is_lost_again_is_told(search):
    this_session()
    asked = []

    def ask():
        asked.append(end_session())
        this_session()

    with pytest.raises(OperationalError):
        on_a_live_connection(ask)
    connection.close()
    assert len(asked) == 2
