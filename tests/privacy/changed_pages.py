"""The project's pages about people, for a test to change: ``settings.PERSONAL`` names it.

changed_pages.change(settings, Document, attachments=…)
"""

from dataclasses import replace
from typing import Any

from django.db.models import Model
from pytest_django import Settings

from project import personal
from project.personal import ALONGSIDE, BLOCKERS, EXPIRIES, HOLDINGS, OUTSIDE

__all__ = ["ALONGSIDE", "BLOCKERS", "EXPIRIES", "HOLDINGS", "OUTSIDE", "change"]


def change(settings: Settings, table: type[Model], **parts: Any) -> None:
    """Let the page of one table say something else, and all others what they say."""
    global HOLDINGS  # noqa: PLW0603 - that is what the setting's module is asked for
    HOLDINGS = tuple(
        replace(page, **parts) if page.model is table else page for page in personal.HOLDINGS
    )
    settings.PERSONAL = __name__
