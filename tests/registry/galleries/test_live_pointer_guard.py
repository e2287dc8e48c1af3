"""No UPDATE, whoever sends it, points a gallery at what would mix, lose or forget items."""

import json
import sqlite3
import subprocess
import sys

import pytest
from django.core import checks
from django.core.management import call_command
from django.db import connection

from tests.builders import live_pointers
from tests.processes import ROOT

WHY = {
    "keeps the epoch": "by exactly one epoch",
    "skips an epoch": "by exactly one epoch",
    "goes back": "by exactly one epoch",
    "keeps the view": "by exactly one epoch",
    "takes another gallery's view": "one of its gallery",
    "points nowhere": "one of its gallery",
    "forgets segment 1": "an entry for every segment",
    "forgets segment 2": "an entry for every segment",
    "hides among other columns": "by exactly one epoch",
}

ON_SQLITE = """
import django; django.setup()
import json
from django.db import connection
from tests.builders.live_pointers import *
gallery = a_grown_gallery()
told = {name: refusal_of(gallery, sql) for name, sql in refused_moves(gallery).items()}
allowed = refusal_of(gallery, allowed_move(gallery))
gallery.refresh_from_db()
print(json.dumps([connection.vendor, told, allowed, gallery.epoch]))
"""


def assert_all_refused(told):
    assert set(told) == set(WHY)
    for name, reason in WHY.items():
        assert reason in told[name], (name, told[name])


@pytest.mark.postgres
@pytest.mark.django_db
def test_on_postgresql_a_broken_move_is_refused_and_a_whole_one_is_not():
    assert connection.vendor == "postgresql"
    gallery = live_pointers.a_grown_gallery()
    moves = live_pointers.refused_moves(gallery)

    assert_all_refused({name: live_pointers.refusal_of(gallery, m) for name, m in moves.items()})
    assert live_pointers.refusal_of(gallery, live_pointers.allowed_move(gallery)) == ""
    gallery.refresh_from_db()
    assert gallery.epoch == 3


@pytest.mark.process
def test_on_sqlite_a_broken_move_is_refused_and_a_whole_one_is_not(embedded):
    done = subprocess.run(
        [sys.executable, "-c", ON_SQLITE],
        cwd=ROOT,
        env=embedded.environment | {"DJANGO_SETTINGS_MODULE": "registry.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    vendor, told, allowed, epoch = json.loads(done.stdout)

    assert vendor == "sqlite"
    assert_all_refused(told)
    assert (allowed, epoch) == ("", 3)


@pytest.mark.process
def test_on_sqlite_a_migration_that_rebuilds_a_table_passes_and_the_guard_stands_again(embedded):
    """SQLite refuses to rename a table back while a trigger names it."""
    embedded.manage("migrate", "galleries", "0003_index_kinds", "--verbosity", "0")
    embedded.manage("migrate", "--verbosity", "0")

    assert "no issues" in embedded.manage("check", "--database", "default")


@pytest.mark.process
def test_a_database_of_a_release_before_the_guard_is_migrated(embedded):
    with sqlite3.connect(embedded.folder / "registry.sqlite3") as database:
        database.execute("DROP TRIGGER galleries_gallery_live_pointer")
    database.close()

    embedded.manage("migrate", "--verbosity", "0")

    assert "no issues" in embedded.manage("check", "--database", "default")


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_missing_guard_is_reported_and_put_back():
    def reported():
        found = checks.run_checks(tags=[checks.Tags.database], databases=["default"])
        return [error.msg for error in found if error.id == "registry.E001"]

    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER galleries_gallery_live_pointer ON galleries_gallery")
    assert reported() == ["trigger galleries_gallery_live_pointer is missing"]

    call_command("install_triggers", verbosity=0)
    assert reported() == []
