"""The command ``check_job_health``."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.jobs import health
from apps.jobs.commands import use_utf8


class Command(BaseCommand):
    help = "Fail when a scheduled job has not succeeded in time, or the queue is stuck."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="Print the outcome as one JSON document."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        use_utf8(self.stdout)
        found = health.examine(now=timezone.now())
        if options["json"]:
            document = {
                "ok": not found.problems,
                "scheduled_jobs": found.scheduled,
                "findings": [asdict(finding) for finding in found.findings],
            }
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
        else:
            for finding in found.findings:
                self.stdout.write(f"  {'✗' if finding.alarming else '-'} {finding.text}")
            if not found.problems:
                self.stdout.write(f"All {found.scheduled} scheduled jobs are on time.")
        if found.problems:
            raise CommandError(f"{len(found.problems)} problem(s) with scheduled jobs.")
