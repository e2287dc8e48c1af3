"""Comparisons differ by what a policy asks for and by the ancestors they look back on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0001_initial")]

    operations = [
        migrations.RemoveConstraint(model_name="comparison", name="one_comparison"),
        migrations.AddField(
            model_name="comparison",
            name="asks",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="comparison",
            name="asks_digest",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="comparison",
            name="ancestors",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="comparison",
            name="ancestors_digest",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="comparison",
            name="planted",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="comparison",
            name="chance",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="comparison",
            constraint=models.UniqueConstraint(
                fields=[
                    "old_digest",
                    "new_digest",
                    "producer_digest",
                    "set_digest",
                    "code_version",
                    "asks_digest",
                    "ancestors_digest",
                ],
                name="one_comparison",
            ),
        ),
    ]
