"""The command ``check_job_health``."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.jobs import health
from apps.jobs.commands import use_utf8
from apps.monitoring import services

_TOLD = ("kind", "job", "text", "alarming")


class Command(BaseCommand):
    """Beside what it says, it does the look that the web processes' watcher does.

    So alerts are raised and sent although neither a cluster nor a web process lives.
    """

    help = "Fail when a scheduled job has not succeeded in time, or the queue is stuck."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="Print the outcome as one JSON document."
        )
        parser.add_argument(
            "--look-only",
            action="store_true",
            help="Only say it: raise no alerts, send nothing, ping nobody.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        use_utf8(self.stdout)
        now = timezone.now()
        found = health.examine(now=now)
        if options["json"]:
            document = {
                "ok": not found.problems,
                "scheduled_jobs": found.scheduled,
                "findings": [
                    {name: getattr(finding, name) for name in _TOLD}
                    for finding in found.findings
                ],
            }
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
        else:
            for finding in found.findings:
                self.stdout.write(f"  {'✗' if finding.alarming else '-'} {finding.text}")
            if not found.problems:
                self.stdout.write(f"All {found.scheduled} scheduled jobs are on time.")
        if not options["look_only"]:
            self._tell(found, now)
        if found.problems:
            raise CommandError(f"{len(found.problems)} problem(s) with scheduled jobs.")

    def _tell(self, found: health.Health, now: Any) -> None:
        """Raise and send alerts; the exit status tells of the jobs whatever comes of it."""
        try:
            services.look(now=now, health=found)
        except Exception as error:
            self.stderr.write(f"Alerts could not be seen to: {type(error).__name__}.")
