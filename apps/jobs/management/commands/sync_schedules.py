"""The command ``sync_schedules``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.jobs import schedules
from apps.jobs.commands import use_utf8
from apps.jobs.job import registry


class Command(BaseCommand):
    help = "Create the schedule of every job that has none; never change or delete one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Show what would be created without changing anything.",
        )

    def handle(self, *args: Any, dry_run: bool, verbosity: int, **options: Any) -> None:
        use_utf8(self.stdout)
        rows = schedules.missing() if dry_run else schedules.create_missing()
        verb = "Would create" if dry_run else "Created"
        if verbosity:
            for row in rows:
                words = schedules.cron_in_words(row.cron)
                self.stdout.write(
                    f"  ✓ {verb} {row.name}: {row.cron} UTC ({words}), "
                    f"first at {row.next_run:%Y-%m-%d %H:%M}"
                )
        timed = sum(1 for job in registry() if job.cron)
        self.stdout.write(f"{verb} {len(rows)} schedules; {timed - len(rows)} already present.")
