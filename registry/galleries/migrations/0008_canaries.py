"""Filled in with the models that it makes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("galleries", "0007_engines")]

    operations = []
