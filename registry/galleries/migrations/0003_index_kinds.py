"""What an index is, how well it finds, and whose rows it holds; earlier ones are flat and whole."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, OuterRef, Subquery


def describe_sealed(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Say of every index that is there what all were so far; twice changes nothing."""
    segments = apps.get_model("galleries", "Segment").objects.exclude(index_digest="")
    segments = segments.filter(index_kind="")
    batches = apps.get_model("galleries", "InsertBatch").objects
    held = segments.filter(pk=OuterRef("segment")).values("index_digest")
    batches.filter(segment__in=segments, work_state="done").update(index_digest=Subquery(held))
    segments.update(index_kind="flat", recall_at_10=1.0, indexed_rows=F("sealed_rows"))


class Migration(migrations.Migration):
    dependencies = [("galleries", "0002_backfills")]

    operations = [
        migrations.AddField(
            "Segment", "index_kind", models.CharField(blank=True, default="", max_length=10), False
        ),
        migrations.AddField(
            "Segment", "index_note", models.CharField(blank=True, default="", max_length=300), False
        ),
        migrations.AddField("Segment", "indexed_rows", models.PositiveIntegerField(default=0)),
        migrations.AddField("Segment", "recall_at_10", models.FloatField(blank=True, null=True)),
        migrations.AddField(
            "InsertBatch",
            "index_digest",
            models.CharField(blank=True, default="", max_length=64),
            False,
        ),
        migrations.RunPython(describe_sealed, migrations.RunPython.noop, elidable=False),
    ]
