"""Vectors are rewritten: what is wanted in a gallery, and twins that are made of vectors."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_model_groups"),
        ("galleries", "0009_twins"),
    ]

    operations = [
        migrations.AddField(
            model_name="twin",
            name="transform",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="catalog.artifact",
            ),
        ),
        migrations.CreateModel(
            name="Rewriting",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("is_wanted", models.BooleanField(default=True)),
                (
                    "encoder",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="catalog.modelversion",
                    ),
                ),
                (
                    "gallery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rewritings",
                        to="galleries.gallery",
                    ),
                ),
                (
                    "producer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="catalog.modelversion",
                    ),
                ),
                (
                    "transform",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="catalog.artifact",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("gallery", "encoder"), name="one_rewriting_per_gallery_and_encoder"
                    )
                ],
            },
        ),
    ]
