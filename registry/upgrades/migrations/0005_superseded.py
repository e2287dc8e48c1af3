import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0001_initial"),
        ("upgrades", "0004_checks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="upgrade",
            name="superseded_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="upgrades.upgrade",
            ),
        ),
        migrations.AlterField(
            model_name="upgrade",
            name="state",
            field=models.CharField(
                choices=[
                    ("evaluating", "evaluating"),
                    ("judged", "judged"),
                    ("promoted", "promoted"),
                    ("rolled_back", "rolled_back"),
                    ("replaced", "replaced"),
                    ("withdrawn", "withdrawn"),
                    ("rejected", "rejected"),
                    ("refused", "refused"),
                    ("superseded", "superseded"),
                ],
                default="evaluating",
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="upgrade",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("superseded_by", None), ("state", "superseded"), _connector="OR"
                ),
                name="only_the_superseded_name_another",
            ),
        ),
    ]
