"""The command ``sync_rights``."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.firms.rights import staff_group


class Command(BaseCommand):
    """Bring the group of firms' staff up to date; a step of each release."""

    help = "Give the group 'Firm staff' exactly the rights that a firm's staff have."

    def handle(self, *args: Any, **options: Any) -> None:
        group = staff_group()
        self.stdout.write(f"{group.name}: {group.permissions.count()} rights.")
