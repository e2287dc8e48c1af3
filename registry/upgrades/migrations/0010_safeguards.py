"""Scheduled promotions, safeguards of aliases, and the signals that they react to."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from registry.core.immutable import install_triggers


def install(apps, schema_editor):
    install_triggers(["upgrades_signal"])


def to(model, related_name="+", **options):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to=model, **options
    )


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_model_groups"),
        ("upgrades", "0009_shadow"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ScheduledPromotion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("not_before", models.DateTimeField()),
                ("not_after", models.DateTimeField()),
                ("shadow_queries", models.PositiveIntegerField(blank=True, null=True)),
                ("shadow_overlap", models.FloatField(blank=True, null=True)),
                ("dual_query", models.BooleanField(default=False)),
                ("reason", models.TextField(blank=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("done", "Done"),
                            ("refused", "Refused"),
                            ("expired", "Expired"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="open",
                        max_length=9,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=64)),
                ("detail", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("created_by", to(settings.AUTH_USER_MODEL)),
                ("move", to("catalog.aliasmove", blank=True, null=True)),
                ("upgrade", to("upgrades.upgrade", "schedules")),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("upgrade",),
                        condition=models.Q(state="open"),
                        name="one_open_schedule_per_upgrade",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(state="done", move__isnull=False)
                        | (~models.Q(state="done") & models.Q(move=None)),
                        name="a_schedule_that_is_done_names_its_move",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(shadow_queries=None, shadow_overlap=None)
                        | models.Q(shadow_queries__isnull=False, shadow_overlap__isnull=False),
                        name="a_shadow_condition_is_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(not_after__gt=models.F("not_before")),
                        name="a_schedule_ends_after_it_begins",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Safeguard",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("signal", models.SlugField(max_length=64)),
                ("armed_hours", models.PositiveIntegerField()),
                ("at_most_unsearchable", models.PositiveBigIntegerField(default=0)),
                ("dual_query", models.BooleanField(default=False)),
                ("reason", models.TextField(blank=True)),
                ("declared_at", models.DateTimeField()),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
                ("alias", to("catalog.alias", "safeguards")),
                ("declared_by", to(settings.AUTH_USER_MODEL)),
            ],
            options={
                "ordering": ["signal", "-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("alias", "signal"),
                        condition=models.Q(withdrawn_at=None),
                        name="one_safeguard_per_signal",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Signal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("epoch", models.PositiveIntegerField()),
                ("firing", models.BooleanField()),
                ("detail", models.TextField(blank=True)),
                ("observed_at", models.DateTimeField(blank=True, null=True)),
                ("received_at", models.DateTimeField()),
                (
                    "reaction",
                    models.CharField(
                        choices=[
                            ("rolled_back", "Rolled Back"),
                            ("refused", "Refused"),
                            ("none", "None"),
                        ],
                        max_length=11,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=64)),
                ("explanation", models.TextField(blank=True)),
                ("alias", to("catalog.alias")),
                ("move", to("catalog.aliasmove", blank=True, null=True)),
                ("safeguard", to("upgrades.safeguard", "signals")),
                ("sent_by", to(settings.AUTH_USER_MODEL, blank=True, null=True)),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["alias", "epoch"], name="upgrades_si_alias_i_e528ea_idx")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("alias", "epoch"),
                        condition=models.Q(reaction="rolled_back"),
                        name="one_automatic_rollback_per_promotion",
                    ),
                    models.UniqueConstraint(
                        fields=("safeguard", "epoch"),
                        condition=models.Q(reaction="refused"),
                        name="one_refusal_per_promotion",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(reaction="rolled_back", move__isnull=False)
                        | (~models.Q(reaction="rolled_back") & models.Q(move=None)),
                        name="a_signal_that_rolled_back_names_its_move",
                    ),
                ],
            },
        ),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
