"""Install the triggers on every table whose rows are written once.

The list is of this release; ``manage.py install_triggers`` repeats it for all tables at start.
"""

from django.db import migrations

from registry.core.immutable import install_triggers

TABLES = [
    "audit_ledgerentry",
    "catalog_lineageedge",
    "catalog_aliasmove",
    "galleries_view",
    "galleries_viewsegment",
    "galleries_cutover",
    "upgrades_policyrevision",
    "upgrades_verdict",
]


def install(apps, schema_editor):
    install_triggers(TABLES)


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
        ("catalog", "0001_initial"),
        ("galleries", "0001_initial"),
        ("upgrades", "0001_initial"),
    ]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
