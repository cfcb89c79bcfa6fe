"""What every page may ask."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.installations.leaving import is_strange


def strange_machine(request: HttpRequest) -> dict[str, Any]:
    """Let a page say that nothing leaves the building from here; asked only where it does."""
    return {"strange_machine": SimpleLazyObject(is_strange)}
