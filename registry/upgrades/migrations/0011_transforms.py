"""An adapter is fitted for a side; on the gallery side it leaves a version that rewrites."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_model_groups"),
        ("evaluation", "0003_calibration"),
        ("upgrades", "0010_safeguards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="adapterfit",
            name="one_fit_per_set",
        ),
        migrations.AddField(
            model_name="adapterfit",
            name="rewriter",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="catalog.modelversion",
            ),
        ),
        migrations.AddField(
            model_name="adapterfit",
            name="side",
            field=models.CharField(
                choices=[("query", "Query"), ("gallery", "Gallery")], default="query", max_length=7
            ),
        ),
        migrations.AddField(
            model_name="adapterfit",
            name="transform",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="catalog.artifact",
            ),
        ),
        migrations.AddConstraint(
            model_name="adapterfit",
            constraint=models.UniqueConstraint(
                fields=("upgrade", "incumbent", "set_revision", "side"), name="one_fit_per_set"
            ),
        ),
        migrations.AddConstraint(
            model_name="adapterfit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("made", None),
                    models.Q(("rewriter", None), ("side", "query"), ("transform", None)),
                    models.Q(
                        ("rewriter__isnull", False),
                        ("side", "gallery"),
                        ("transform__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="the_gallery_side_has_a_rewriter",
            ),
        ),
    ]
