"""On PostgreSQL the database itself refuses two tenancies of one unit on the same day.

Ranges on both sides, because an equality in an exclusion constraint needs ``btree_gist``,
which embedded servers lack. SQLite has no such constraint; there the service checks.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ADD = """
ALTER TABLE leasing_lease ADD CONSTRAINT leasing_lease_no_overlap
EXCLUDE USING gist (
    int8range(unit_id, unit_id, '[]') WITH &&,
    daterange(start_date, end_date, '[]') WITH &&
) WHERE (status IN ('active', 'notice'))
"""
DROP = "ALTER TABLE leasing_lease DROP CONSTRAINT leasing_lease_no_overlap"


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ADD)


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("leasing", "0001_initial")]

    operations = [migrations.RunPython(add, drop)]
