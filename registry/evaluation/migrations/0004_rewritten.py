"""A comparison names the outputs that queries meet in place of a version's own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evaluation", "0003_calibration"),
    ]

    operations = [
        migrations.AddField(
            model_name="comparison",
            name="rewritten",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
