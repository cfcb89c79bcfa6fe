"""What Django tells of a database that was migrated."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import DEFAULT_DB_ALIAS, connection

from apps.installations.leaving import trust_this_machine
from apps.installations.models import Installation


def migrated(*, using: str, **_: Any) -> None:
    """Let a new database know the machine that made it.

    New is one in which nobody has an account yet: there is nobody to write to, either. On any
    other somebody has to say yes, also where a copy was brought up to date.
    """
    users = get_user_model()
    if using != DEFAULT_DB_ALIAS:
        return
    there = connection.introspection.table_names()
    if not {users._meta.db_table, Installation._meta.db_table} <= set(there):
        return
    if not users._default_manager.exists():
        trust_this_machine()
