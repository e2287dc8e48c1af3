"""Filled in with the models that it makes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("upgrades", "0009_shadow")]

    operations = []
