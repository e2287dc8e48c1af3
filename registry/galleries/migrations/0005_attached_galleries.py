"""Galleries whose vectors are in another team's index; those that are there hold theirs here."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("galleries", "0004_calibrated_views")]

    operations = [
        migrations.AddField(
            "Gallery",
            "kind",
            models.CharField(
                choices=[("embedded", "Embedded"), ("attached", "Attached")],
                default="embedded",
                max_length=8,
            ),
        ),
        migrations.AddField(
            "Gallery", "location", models.CharField(blank=True, default="", max_length=500), False
        ),
        migrations.AddConstraint(
            "Gallery",
            models.CheckConstraint(
                condition=(Q(kind="embedded") & Q(location=""))
                | (Q(kind="attached") & ~Q(location="")),
                name="an_attached_gallery_says_where",
            ),
        ),
    ]
