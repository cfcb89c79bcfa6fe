"""The command ``seed_dev_data``."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core.days import Clock
from apps.core.demo import PASSWORD
from apps.core.problems import Problem
from apps.firms import demo
from apps.firms.models import Firm


class Command(BaseCommand):
    """Make a demo world in which every job has work to do."""

    help = "Create comprehensive test data for development and testing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clear", action="store_true", help="Delete the demo data first.")
        parser.add_argument("--no-input", action="store_true", help="Ask nothing.")
        parser.add_argument(
            "--as-of", default="", metavar="YYYY-MM-DD", help="The demo's today."
        )
        parser.add_argument(
            "--allow-production", action="store_true", help="Run in production, too."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION and not options["allow_production"]:
            raise CommandError(
                "This is production; demo data need --allow-production. Nothing done."
            )
        try:
            clock = Clock.at(options["as_of"]) if options["as_of"] else Clock.read()
            if options["clear"]:
                self._clear(ask=not options["no_input"])
            world = demo.seed_all(clock)
        except Problem as problem:
            raise CommandError(str(problem)) from problem
        if world is None:
            self.stdout.write("Demo data already present; nothing created.")
            return
        for what, number in world.made.items():
            self.stdout.write(f"  ✓ {what}: {number}")
        self.stdout.write(f"All demo users sign in with the password {PASSWORD}.")
        self.stdout.write(self.style.SUCCESS("Seed data created successfully."))

    def _clear(self, *, ask: bool) -> None:
        if ask:
            rows, firms = demo.count_rows(), Firm.objects.filter(is_demo=True).count()
            answer = input(
                f"This will delete all demo data ({rows:,} rows in {firms} demo firms). "
                "Type 'yes' to continue: "
            )
            if answer.strip() != "yes":
                raise CommandError("Cancelled.")
        self.stdout.write(f"  ✓ deleted: {demo.clear_all():,} rows")
