"""A segment of a view carries what makes its scores comparable."""

from django.db import migrations, models

from registry.core.immutable import install_triggers


def reinstall(apps, schema_editor):
    """SQLite drops triggers when a migration rebuilds the table."""
    install_triggers(["galleries_viewsegment"])


class Migration(migrations.Migration):
    dependencies = [("galleries", "0003_index_kinds")]

    operations = [
        migrations.AddField(
            model_name="viewsegment",
            name="calibration",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.RunPython(reinstall, migrations.RunPython.noop),
    ]
