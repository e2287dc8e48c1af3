"""Collections and their rows. A collection's rows are a partition, so it is a table of its own:

it is searched, indexed and dropped without touching any other. ``workers.engines.pgvector`` makes
the partitions and reads and writes them by name.
"""

from django.db import models
from pgvector.django import VectorField


class Collection(models.Model):
    """Vectors that can be compared with one another."""

    name = models.CharField(max_length=48, unique=True)
    dimension = models.PositiveIntegerField()
    distance = models.CharField(max_length=20)
    space = models.CharField(max_length=200)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class StoredVector(models.Model):
    """One row of a collection; the column holds vectors of any dimension."""

    pk = models.CompositePrimaryKey("collection_id", "row")
    collection = models.ForeignKey(
        Collection, models.CASCADE, related_name="vectors", db_constraint=False, db_index=False
    )
    row = models.BigIntegerField()
    vector = VectorField()
    metadata = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.collection} row {self.row}"
