"""Shadows: live queries that a candidate answers too."""

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("upgrades", "0008_adapter_fits"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Shadow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("alias_epoch", models.PositiveIntegerField()),
                ("share", models.FloatField()),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                ("most_queries", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("running", "Running"), ("over", "Over")],
                        default="running",
                        max_length=10,
                    ),
                ),
                (
                    "end",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("stopped", "Stopped"),
                            ("time", "Time"),
                            ("queries", "Queries"),
                            ("upgrade_closed", "Upgrade Closed"),
                            ("alias_moved", "Alias Moved"),
                        ],
                        max_length=14,
                    ),
                ),
                ("queries", models.PositiveIntegerField(default=0)),
                ("compared", models.PositiveIntegerField(default=0)),
                ("not_comparable", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("dropped", models.PositiveIntegerField(default=0)),
                ("overlap_sum", models.FloatField(default=0)),
                ("overlap_square_sum", models.FloatField(default=0)),
                ("top1_changed", models.PositiveIntegerField(default=0)),
                ("live_latency", models.JSONField(blank=True, default=list)),
                ("candidate_latency", models.JSONField(blank=True, default=list)),
                ("last_failure", models.CharField(blank=True, max_length=300)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "started_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "upgrade",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shadows",
                        to="upgrades.upgrade",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "running")),
                        fields=("upgrade",),
                        name="one_running_shadow",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("share__gt", 0), ("share__lte", 1)),
                        name="a_shadow_has_a_share",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "queries",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("compared"), "+", models.F("not_comparable")
                                        ),
                                        "+",
                                        models.F("failed"),
                                    ),
                                    "+",
                                    models.F("dropped"),
                                ),
                            )
                        ),
                        name="every_shadowed_query_is_counted_once",
                    ),
                ],
            },
        ),
    ]
