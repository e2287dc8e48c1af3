"""Which epoch each consumer of a live pointer has taken over."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("galleries", "0005_attached_galleries"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Acknowledgement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("consumer", models.SlugField(db_index=False, max_length=100)),
                ("epoch", models.PositiveIntegerField()),
                ("since", models.DateTimeField()),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "gallery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="acknowledgements",
                        to="galleries.gallery",
                    ),
                ),
            ],
            options={
                "ordering": ["consumer"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("gallery", "consumer"), name="one_acknowledgement_per_consumer"
                    )
                ],
            },
        ),
    ]
