"""The command ``make_jobs_docs``."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.jobs.documentation import jobs_page


class Command(BaseCommand):
    help = "Write docs/jobs.md from the job table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Only fail when the page is out of date."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / "docs" / "jobs.md"
        page = jobs_page()
        if path.exists() and path.read_text(encoding="utf-8") == page:
            self.stdout.write("docs/jobs.md is up to date.")
        elif options["check"]:
            raise CommandError("docs/jobs.md is out of date; run: manage.py make_jobs_docs")
        else:
            path.write_text(page, encoding="utf-8")
            self.stdout.write("docs/jobs.md written.")
