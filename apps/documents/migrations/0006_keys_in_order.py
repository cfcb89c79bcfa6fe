"""A firm's keys in the order of their bytes, which is the order that S3 lists in.

PostgreSQL orders text as the database's language does, so its index is in the collation "C";
SQLite's own order is that of bytes.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

INDEX = models.Index(fields=["firm", "bucket", "storage_key"], name="documents_keys_in_order")
IN_BYTES = """
CREATE INDEX documents_keys_in_order
ON documents_document (firm_id, bucket, storage_key COLLATE "C")
"""


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(IN_BYTES)
    else:
        schema_editor.add_index(apps.get_model("documents", "Document"), INDEX)


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.remove_index(apps.get_model("documents", "Document"), INDEX)


class Migration(migrations.Migration):
    dependencies = [("documents", "0005_file_requests")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add, remove)],
            state_operations=[migrations.AddIndex(model_name="document", index=INDEX)],
        ),
    ]
