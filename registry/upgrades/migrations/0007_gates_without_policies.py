"""A gate no longer names a policy: its alias does, by the scopes that it belongs to."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("upgrades", "0006_policy_scopes")]

    operations = [migrations.RemoveField(model_name="aliasgate", name="policy_revision")]
