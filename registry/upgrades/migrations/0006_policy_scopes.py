"""Policies are set for scopes; what guarded an alias alone is set for that alias."""

import django.db.models.deletion
from django.db import migrations, models

from registry.core.immutable import install_triggers

CHANGED = ["upgrades_policyrevision", "upgrades_verdict"]


def reinstall(apps, schema_editor):
    """SQLite drops triggers when a migration rebuilds the table."""
    install_triggers(CHANGED)


def choose(apps, schema_editor):
    """A default policy becomes the one for everything; any other one stays with its alias."""
    choices = apps.get_model("upgrades", "PolicyChoice").objects
    gates = apps.get_model("upgrades", "AliasGate").objects.select_related(
        "alias__model", "policy_revision__policy"
    )
    for gate in gates.order_by("-policy_revision__number"):
        task, revision = gate.alias.model.task, gate.policy_revision
        if revision.policy.name == f"default-{task}":
            choices.get_or_create(
                scope="everything", task=task, defaults={"policy_revision": revision}
            )
        else:
            choices.get_or_create(
                scope="alias", alias=gate.alias, task=task, policy_revision=revision
            )


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_model_groups"),
        ("upgrades", "0005_superseded"),
    ]

    operations = [
        migrations.AddField(
            model_name="check",
            name="chain",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="check",
            name="policy",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="check",
            name="standing",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="policyrevision",
            name="text",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="verdict",
            name="policy",
            field=models.JSONField(default=dict),
        ),
        migrations.CreateModel(
            name="PolicyChoice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("everything", "Everything"),
                            ("group", "Group"),
                            ("model", "Model"),
                            ("alias", "Alias"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "task",
                    models.CharField(
                        choices=[("classification", "classification"), ("embedding", "embedding")],
                        max_length=20,
                    ),
                ),
                ("group", models.SlugField(blank=True, max_length=100)),
                (
                    "alias",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="policy_choice",
                        to="catalog.alias",
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="catalog.registeredmodel",
                    ),
                ),
                (
                    "policy_revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="choices",
                        to="upgrades.policyrevision",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("scope", "everything")),
                        fields=("task",),
                        name="one_policy_for_everything",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("scope", "group")),
                        fields=("task", "group"),
                        name="one_policy_per_group",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("scope", "model")),
                        fields=("model",),
                        name="one_policy_per_model",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("alias", None),
                                ("group", ""),
                                ("model", None),
                                ("scope", "everything"),
                            ),
                            models.Q(
                                ("alias", None),
                                ("model", None),
                                ("scope", "group"),
                                models.Q(("group", ""), _negated=True),
                            ),
                            models.Q(
                                ("alias", None),
                                ("group", ""),
                                ("model__isnull", False),
                                ("scope", "model"),
                            ),
                            models.Q(
                                ("alias__isnull", False),
                                ("group", ""),
                                ("model", None),
                                ("scope", "alias"),
                            ),
                            _connector="OR",
                        ),
                        name="a_policy_choice_names_its_scope",
                    ),
                ],
            },
        ),
        migrations.RunPython(choose, migrations.RunPython.noop),
        migrations.RunPython(reinstall, migrations.RunPython.noop),
    ]
