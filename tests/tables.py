"""Whole tables, compared before and after."""

from typing import Any


def comparable(value: Any) -> Any:
    """Return bytes as such: PostgreSQL's driver hands out views, each with its address."""
    return bytes(value) if isinstance(value, memoryview) else value
