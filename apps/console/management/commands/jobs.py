"""``manage.py jobs``: what the console does, for whoever has a shell on this host."""

import io
import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from apps.console import services
from apps.console.terminal import doing, reading
from apps.console.terminal.reading import Answer
from apps.core.days import positive
from apps.core.problems import Problem
from apps.jobs.commands import Audience, Document, RecordedCommand, add_options, use_utf8
from apps.jobs.job import find, registry
from apps.jobs.models import JobRun

OPTION = "job_option_"  # how the values of a job's own options are called


class Command(RecordedCommand):
    """Exit status (spec A7.3): 0 done; 1 a bad option or an error; 2 argparse."""

    help = "List, preview, apply, watch, pause and retry jobs, as the console does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

        def verb(name: str, help_text: str, *, reads: bool = True) -> ArgumentParser:
            added: ArgumentParser = verbs.add_parser(name, help=help_text)
            if reads:
                super(Command, self).add_arguments(added)  # --json
            return added

        verb("list", "Every job: when it runs, how it went, whether it rests.")
        show = verb("show", "One job: what it does, its options, its last runs.")
        show.add_argument("job", metavar="JOB")
        runs = verb("runs", "The newest runs.")
        runs.add_argument("--job", default="", metavar="JOB", help="Only of this job.")
        states = [str(state) for state in JobRun.State]
        runs.add_argument("--state", default="", choices=states, help="Only in this state.")
        runs.add_argument("--failed", action="store_true", help="Only with failed items.")
        runs.add_argument("--since", default="", metavar="WHEN", help="Started from then on.")
        runs.add_argument("--limit", type=int, default=20, metavar="N", help="At most so many.")
        run_show = verb("run-show", "One run.")
        run_show.add_argument("run", type=int, metavar="RUN")
        run_show.add_argument("--items", action="store_true", help="With its items.")
        run_show.add_argument("--failed", action="store_true", help="With what failed.")
        calendar = verb("calendar", "What is due on the coming days.")
        calendar.add_argument("--days", type=int, default=1, metavar="N", help="So many days.")
        calendar.add_argument(
            "--firm", type=int, default=None, metavar="ID", help="In this firm's zone."
        )
        why = verb("why", "What every job last decided about a thing, and would decide now.")
        why.add_argument(
            "typed", nargs="+", metavar="TEXT", help="A number, a name, an address or an id."
        )
        diff = verb("diff", "What is new, changed and gone against another run.")
        diff.add_argument("run", type=int, metavar="RUN")
        diff.add_argument(
            "other", type=int, nargs="?", metavar="RUN", help="Else the one before."
        )

        plan = verbs.add_parser("plan", help="Preview a job here and now, on the record.")
        jobs = plan.add_subparsers(dest="job", required=True, metavar="JOB")
        for job in registry():
            if job.previews:
                own = jobs.add_parser(job.name, help=job.summary.replace("%", "%%"))
                options = [option for option in job.options if option.name != "dry_run"]
                add_options(own, options, prefix=OPTION)
                super().add_arguments(own)
        verb("apply", "Do here and now exactly what a preview showed.").add_argument(
            "run", type=int, metavar="RUN"
        )
        for name, help_text in (
            ("cancel", "Ask a run to stop after its current item."),
            ("retry", "Queue a run for what failed in another, and nothing else."),
        ):
            verb(name, help_text, reads=False).add_argument("run", type=int, metavar="RUN")
        pause = verb("pause", "Let a job's schedules start nothing.", reads=False)
        pause.add_argument("job", metavar="JOB")
        pause.add_argument("--until", default="", metavar="WHEN", help="Else until resumed.")
        pause.add_argument("--reason", required=True, help="For those who wonder.")
        verb("resume", "End the pause of a job.", reads=False).add_argument(
            "job", metavar="JOB"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        use_utf8(self.stdout)
        try:
            self._answer(options["verb"], options)
        except Problem as problem:
            raise CommandError(str(problem)) from None

    def begins(self, run: JobRun) -> None:
        services.began_here(run, caller=doing.caller_here())

    # ---- inside -------------------------------------------------------------------------

    def _answer(self, verb: str, options: dict[str, Any]) -> None:
        reads: dict[str, Callable[[], Answer]] = {
            "list": reading.list_jobs,
            "show": lambda: reading.show_job(options["job"]),
            "runs": lambda: reading.list_runs(
                job=options["job"],
                state=options["state"],
                failed=options["failed"],
                since=doing.read_moment("--since", options["since"]),
                limit=positive("--limit", options["limit"]),
            ),
            "run-show": lambda: reading.show_run(
                options["run"], items=options["items"], failed=options["failed"]
            ),
            "calendar": lambda: reading.show_calendar(
                days=positive("--days", options["days"]), firm_id=options["firm"]
            ),
            "why": lambda: reading.explain(" ".join(options["typed"])),
            "diff": lambda: reading.show_difference(options["run"], options["other"]),
        }
        acts: dict[str, Callable[[], str]] = {
            "cancel": lambda: doing.cancel(options["run"]),
            "retry": lambda: doing.retry(options["run"]),
            "pause": lambda: doing.pause(
                options["job"], until=options["until"], reason=options["reason"]
            ),
            "resume": lambda: doing.resume(options["job"]),
        }
        if verb in reads:
            self._write(*reads[verb](), as_json=options["json"])
        elif verb in acts:
            self.stdout.write(acts[verb]())
        elif verb == "plan":
            self._plan(options)
        else:
            preview, job, arguments = doing.what_to_apply(options["run"])
            self.carry_out(job, arguments, self.audience(options), preview=preview)

    def _plan(self, options: dict[str, Any]) -> None:
        job = find(options["job"])
        arguments: dict[str, Any] = {
            option.name: options[OPTION + option.name]
            for option in job.options
            if option.name != "dry_run"
        }
        self.carry_out(job, arguments | {"dry_run": True}, self._preview_audience(options))

    def _preview_audience(self, options: dict[str, Any]) -> Audience:
        if options["json"]:
            return Document(self.stdout)
        return doing.PreviewPrinter(self.stdout, self.style, options["verbosity"])

    def _write(
        self, lines: Iterable[str], document: Callable[[], dict[str, Any]], *, as_json: bool
    ) -> None:
        """Write an answer line by line; a reader who has gone (``| head``) ends it."""
        if as_json:
            lines = [json.dumps(document(), ensure_ascii=False, indent=2)]
        try:
            for line in lines:
                self.stdout.write(line)
        except BrokenPipeError:
            self.stdout = OutputWrapper(io.StringIO())
