"""Firms get the usual distance of reminders: no job has read the old one, so nobody chose it."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def forward(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    settings = apps.get_model("firms", "FirmSettings")
    settings._default_manager.filter(file_request_reminder_days=7).update(
        file_request_reminder_days=3
    )


class Migration(migrations.Migration):
    dependencies = [("firms", "0008_file_request_steps")]

    operations = [migrations.RunPython(forward, migrations.RunPython.noop)]
