"""What somebody asks about is found by its beginning: the page Why reads these indexes."""

from django.db import migrations

from apps.core.prefixes import AddPrefixIndexes


class Migration(migrations.Migration):
    dependencies = [("contacts", "0003_tombstone")]

    operations = [
        AddPrefixIndexes("contact", "email", "display_name", "last_name"),
    ]
