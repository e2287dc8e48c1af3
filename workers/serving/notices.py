"""Waits for the next look: until a cutover is announced, or the interval is over."""

import logging
import select
import time

from django.db import Error as DatabaseError
from django.db import connection as own_connection
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from registry.galleries.notices import CHANNEL

log = logging.getLogger(__name__)


class Notices:
    """Listens, where the database is PostgreSQL, in a session that nothing else uses.

    It belongs to the thread that first waits.
    """

    def __init__(self) -> None:
        self._session: BaseDatabaseWrapper | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for ``seconds``, or until a cutover is announced; return whether one may have been.

        The wait that begins to listen ends at once, so that a look finds what was announced
        earlier. A session that was lost, or cannot be had, is tried again at the next wait.
        """
        until = time.monotonic() + seconds
        if own_connection.vendor == "postgresql" and self._is_told(seconds):
            return True
        time.sleep(max(0.0, until - time.monotonic()))
        return False

    def close(self) -> None:
        """Listen no longer."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _is_told(self, seconds: float) -> bool:
        try:
            if self._session is None:
                self._listen()
                return True
            return _has_notice(self._session.connection, seconds)
        except (DatabaseError, own_connection.Database.Error) as exc:
            log.warning("cutovers are looked for, since none is announced: %s", exc)
            self.close()
            return False

    def _listen(self) -> None:
        self._session = connections.create_connection(own_connection.alias)
        with self._session.cursor() as cursor:
            cursor.execute(f'LISTEN "{CHANNEL}"')


def _has_notice(session, seconds: float) -> bool:
    """Wait on a session of psycopg2, and take every notice that has come."""
    waiting = select.poll()
    waiting.register(session, select.POLLIN)
    waiting.poll(seconds * 1000)
    session.poll()
    has_come = bool(session.notifies)
    session.notifies.clear()
    return has_come
