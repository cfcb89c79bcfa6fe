"""``manage.py apply_preview RUN``: do exactly what a preview showed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from apps.core.problems import BadOption
from apps.jobs.commands import RecordedCommand
from apps.jobs.models import JobRun
from apps.jobs.previews import to_apply


class Command(RecordedCommand):
    help = "Do exactly what a preview showed; what has changed since is left out as stale."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, metavar="RUN", help="The number of the dry run.")
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            preview = JobRun.objects.filter(pk=options["run"]).first()
            if preview is None:
                raise BadOption(f"Run {options['run']} does not exist.")
            job, arguments = to_apply(preview)
        except BadOption as problem:
            raise CommandError(str(problem)) from None
        self.carry_out(job, arguments, self.audience(options), preview=preview)
