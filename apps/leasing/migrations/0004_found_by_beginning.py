"""What somebody asks about is found by its beginning: the page Why reads these indexes."""

from django.db import migrations

from apps.core.prefixes import AddPrefixIndexes


class Migration(migrations.Migration):
    dependencies = [("leasing", "0003_retained")]

    operations = [
        AddPrefixIndexes("unit", "label"),
        AddPrefixIndexes("property", "name", "address"),
    ]
