"""Which engine searches a gallery; those that are there are searched in files."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("galleries", "0006_acknowledgements")]

    operations = [
        migrations.AddField(
            "Gallery",
            "engine",
            models.CharField(
                choices=[
                    ("files", "FAISS files"),
                    ("pgvector", "PostgreSQL with pgvector"),
                    ("milvus", "Milvus"),
                ],
                default="files",
                max_length=10,
            ),
        ),
    ]
