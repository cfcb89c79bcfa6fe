"""Migrations of the ledger's reports."""

from typing import Any

from django.db import router
from django.db.migrations.operations.base import Operation

from apps.billing.views_sql import Columns, read


class CreateLedgerView(Operation):
    """Make a report of the ledger without rows, from one version of its definition.

    PostgreSQL refuses to change or drop a column that a materialised view reads. A migration
    of such a column drops the reports first (``DropLedgerView``, those that are made from
    others before these) and creates them again; the next refresh fills them.
    """

    reversible = True

    def __init__(
        self, name: str, version: int, *, key: Columns, indexes: tuple[Columns, ...] = ()
    ) -> None:
        self.name, self.version, self.key, self.indexes = name, version, key, indexes

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The unmanaged model that reads it is migrated by itself."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if router.allow_migrate(schema_editor.connection.alias, app_label):
            self._create(schema_editor)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if router.allow_migrate(schema_editor.connection.alias, app_label):
            self._drop(schema_editor)

    def describe(self) -> str:
        return f"Create version {self.version} of the report {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.name}_{self.version}"

    def _create(self, schema_editor: Any) -> None:
        quote = schema_editor.connection.ops.quote_name
        name, select = quote(self.name), read(self.name, self.version)
        if schema_editor.connection.vendor == "postgresql":
            made = f"CREATE MATERIALIZED VIEW {name} AS\n{select}\nWITH NO DATA"
        else:
            empty = f"SELECT * FROM (\n{select}\n) WHERE FALSE"  # noqa: S608 - ours
            made = f"CREATE TABLE {name} AS {empty}"
        schema_editor.execute(made, params=None)
        wanted = [("UNIQUE INDEX", "once", self.key)]
        wanted += [("INDEX", "_".join(columns), columns) for columns in self.indexes]
        for kind, ending, columns in wanted:
            index, listed = quote(f"{self.name}_{ending}"), ", ".join(map(quote, columns))
            schema_editor.execute(f"CREATE {kind} {index} ON {name} ({listed})", params=None)

    def _drop(self, schema_editor: Any) -> None:
        on_postgres = schema_editor.connection.vendor == "postgresql"
        what = "MATERIALIZED VIEW" if on_postgres else "TABLE"
        name = schema_editor.connection.ops.quote_name(self.name)
        schema_editor.execute(f"DROP {what} {name}", params=None)


class DropLedgerView(CreateLedgerView):
    """Drop a report of the ledger; going back makes it again, without rows."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        super().database_backwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        super().database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"Drop version {self.version} of the report {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"drop_{self.name}_{self.version}"
