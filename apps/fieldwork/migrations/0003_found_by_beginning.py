"""What somebody asks about is found by its beginning: the page Why reads these indexes."""

from django.db import migrations

from apps.core.prefixes import AddPrefixIndexes


class Migration(migrations.Migration):
    dependencies = [("fieldwork", "0002_retained")]

    operations = [
        AddPrefixIndexes("workorder", "number", "title"),
        AddPrefixIndexes("compliancedocument", "number"),
        AddPrefixIndexes("payoutrequest", "number"),
    ]
