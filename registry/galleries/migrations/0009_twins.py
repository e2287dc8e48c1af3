"""Probation: what is inserted after a cutover is embedded by the former encoder as well."""

import django.db.models.deletion
from django.db import migrations, models

from registry.core.immutable import install_triggers


def reinstall(apps, schema_editor):
    """SQLite drops triggers when a migration rebuilds the table."""
    install_triggers(["galleries_viewsegment"])


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_model_groups"),
        ("galleries", "0008_canaries"),
    ]

    operations = [
        migrations.CreateModel(
            name="Twin",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "work_state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        db_index=True,
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("attempt_limit", models.PositiveIntegerField(default=3)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("progress_done", models.PositiveIntegerField(default=0)),
                ("progress_total", models.PositiveIntegerField(default=0)),
                ("error_code", models.CharField(blank=True, max_length=64)),
                ("error_detail", models.TextField(blank=True)),
                ("chunk_digest", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddField(
            model_name="gallery",
            name="probation_encoder",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="catalog.modelversion",
            ),
        ),
        migrations.AddField(
            model_name="gallery",
            name="probation_hours",
            field=models.PositiveIntegerField(default=168),
        ),
        migrations.AddField(
            model_name="gallery",
            name="probation_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="viewsegment",
            name="twins_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="catalog.modelversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="gallery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("probation_encoder", None), ("probation_until", None)),
                    models.Q(
                        ("probation_encoder__isnull", False), ("probation_until__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="a_probation_has_an_encoder_and_an_end",
            ),
        ),
        migrations.AddField(
            model_name="twin",
            name="batch",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="twins",
                to="galleries.insertbatch",
            ),
        ),
        migrations.AddField(
            model_name="twin",
            name="encoder",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="catalog.modelversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="twin",
            constraint=models.UniqueConstraint(
                fields=("batch", "encoder"), name="one_twin_per_batch_and_encoder"
            ),
        ),
        migrations.RunPython(reinstall, migrations.RunPython.noop),
    ]
