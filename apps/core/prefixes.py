"""Indexes by which PostgreSQL finds text by its beginning, whatever the case."""

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class AddPrefixIndexes(Operation):
    """Index columns for ``istartswith`` and ``iexact``, for whoever looks for a thing (Why).

    In the order of characters and not of a language, since no other serves ``LIKE``. SQLite
    has none: there both look through the table.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, model: str, *columns: str) -> None:
        self.model, self.columns = model, columns

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing that the models know of."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            table = f"{app_label}_{self.model}"
            for column in self.columns:
                schema_editor.execute(
                    f"CREATE INDEX {table}_{column}_found "
                    f"ON {table} (UPPER({column}) text_pattern_ops)"
                )

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for column in self.columns:
                schema_editor.execute(f"DROP INDEX {app_label}_{self.model}_{column}_found")

    def describe(self) -> str:
        return f"Find {self.model} by the beginning of {', '.join(self.columns)}"
