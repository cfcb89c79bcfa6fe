"""A database backend for tests alone: PostgreSQL, whose tables are emptied by DELETE.

After each test that commits, Django truncates all tables. For PostgreSQL that means new files
for every table and index, a third of a second; to delete the few rows of a test takes none.
"""

from typing import Any

from django.db.backends.postgresql import base, operations


class DatabaseOperations(operations.DatabaseOperations):
    def sql_flush(
        self, style: Any, tables: Any, *, reset_sequences: bool = False, **kwargs: Any
    ) -> list[str]:
        """Delete in any order: foreign keys are looked at when all is done."""
        if reset_sequences:
            given = super().sql_flush(style, tables, reset_sequences=True, **kwargs)
            return list(given)
        return [f"DELETE FROM {self.quote_name(table)};" for table in tables]


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = DatabaseOperations
