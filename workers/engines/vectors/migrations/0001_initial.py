"""Collections, and a table of vectors that is partitioned by collection."""

import django.db.models.deletion
import pgvector.django
from django.db import migrations, models

PARTITIONED = """
CREATE TABLE vectors_storedvector (
    collection_id bigint NOT NULL,
    "row" bigint NOT NULL,
    vector vector NOT NULL,
    metadata jsonb NOT NULL,
    PRIMARY KEY (collection_id, "row")
) PARTITION BY LIST (collection_id)
"""
"""Django writes no partitioned tables."""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        pgvector.django.VectorExtension(),
        migrations.CreateModel(
            name="Collection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=48, unique=True)),
                ("dimension", models.PositiveIntegerField()),
                ("distance", models.CharField(max_length=20)),
                ("space", models.CharField(max_length=200)),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.RunSQL(
            PARTITIONED,
            "DROP TABLE vectors_storedvector",
            state_operations=[
                migrations.CreateModel(
                    name="StoredVector",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "collection_id",
                                "row",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "collection",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="vectors",
                                to="vectors.collection",
                            ),
                        ),
                        ("row", models.BigIntegerField()),
                        ("vector", pgvector.django.VectorField()),
                        ("metadata", models.JSONField(default=dict)),
                    ],
                ),
            ],
        ),
    ]
