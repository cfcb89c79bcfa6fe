"""What somebody asks about is found by its beginning: the page Why reads these indexes."""

from django.db import migrations

from apps.core.prefixes import AddPrefixIndexes


class Migration(migrations.Migration):
    dependencies = [("documents", "0006_keys_in_order")]

    operations = [
        AddPrefixIndexes("document", "title"),
        AddPrefixIndexes("filerequest", "title"),
    ]
