"""The command that every job has: arguments from its options, words from its report."""

import io
import json
import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import FrameType
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.core.management.color import Style
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from apps.core import money
from apps.core.problems import BadOption, Problem, sentence
from apps.core.reports import Item, Outcome, Report
from apps.core.watching import Stop, Watcher
from apps.jobs.job import Job, Option, find
from apps.jobs.models import JobRun
from apps.jobs.recording import Busy, Recorder, recorded


class RecordedCommand(BaseCommand):
    """Runs a job by hand, on the record, and says what came of it.

    Exit status (spec A7.3): 0 finished, also with skips and declines; 1 a bad option or a
    technical error, after everything else was done and the summary printed; 2 argparse.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if os.environ.get("NO_COLOR"):  # https://no-color.org: present and not empty
            kwargs |= {"no_color": True}
        super().__init__(*args, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help="Print the outcome as one JSON document.",
        )

    def audience(self, options: Mapping[str, Any]) -> "Audience":
        """Return who is to be told, as the command line wants it."""
        use_utf8(self.stdout)
        use_utf8(self.stderr)
        if options["json"]:
            return Document(self.stdout)
        return Printer(self.stdout, self.style, options["verbosity"])

    def carry_out(
        self,
        job: Job,
        arguments: dict[str, Any],
        audience: "Audience",
        *,
        preview: JobRun | None = None,
    ) -> None:
        """Run a job with these arguments and say what came of it."""
        error: Exception | None = None
        recorder: Recorder | None = None
        with audience.showing():
            try:
                with (
                    recorded(
                        job,
                        arguments,
                        audience=audience,
                        source=JobRun.Source.COMMAND,
                        preview=preview,
                    ) as recorder,
                    stopping_between_items(recorder),
                ):
                    self.begins(recorder.run)
                    job.service(**arguments)
            except Exception as caught:
                if recorder is None:
                    raise  # nothing could be recorded, so nothing was done
                error = caught
            assert recorder is not None
            audience.told(recorder.gone)
        audience.closes(recorder.run, error)
        self._raise_for(recorder.run, error)

    def begins(self, run: JobRun) -> None:
        """The run is on the record and about to do its work."""

    def _raise_for(self, run: JobRun, error: Exception | None) -> None:
        match error:
            case Busy():
                return
            case Stop() | Problem():
                raise CommandError(str(error))
            case Exception():
                raise CommandError(f"{sentence(error)}; see the log.")
        if run.failed:
            raise CommandError(f"{run.failed} item(s) failed; see the log.")


class JobCommand(RecordedCommand):
    """The command of one declared job."""

    job: ClassVar[str]  # its name

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = self.declared.summary

    @cached_property
    def declared(self) -> Job:
        return find(self.job)

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_options(parser, self.declared.options)
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        arguments = {option.name: options[option.name] for option in self.declared.options}
        self.carry_out(self.declared, arguments, self.audience(options))


def add_options(parser: ArgumentParser, options: Iterable[Option], *, prefix: str = "") -> None:
    """Let a parser take a job's options; their values go by ``prefix`` and their names."""
    for option in options:
        how: dict[str, Any] = {
            "dest": prefix + option.name,
            "help": option.help.replace("%", "%%"),
        }
        if option.type is bool:
            how["action"] = "store_true"
        else:
            how |= {"type": option.type, "default": option.default}
            how |= {"choices": option.choices or None, "metavar": option.metavar or None}
        parser.add_argument(option.switch, **how)


class Audience(Watcher):
    """Somebody who wants to hear what a command did."""

    def __init__(self, out: OutputWrapper) -> None:
        self.out = out
        self.report: Report | None = None

    def opened(self, report: Report) -> None:
        self.report = self.report or report

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Surrounds the run, for a progress bar."""
        yield

    def closes(self, run: JobRun, error: Exception | None) -> None:
        """The run is over; ``error`` is what ended it, if anything did."""

    def write(self, text: str, style: Callable[[str], str] = str) -> None:
        """Write a line. A reader who has gone (``| head``) must not stop the work."""
        try:
            self.out.write(text, style)
        except BrokenPipeError:
            self.out = OutputWrapper(io.StringIO())


class Printer(Audience):
    """Prints heading, one line per item and the summary, as the service words them."""

    def __init__(self, out: OutputWrapper, style: Style, verbosity: int) -> None:
        super().__init__(out)
        self.style, self.verbosity = style, verbosity
        self.colours: dict[Outcome, Callable[[str], str]] = {
            Outcome.DONE: style.SUCCESS,
            Outcome.DECLINED: style.WARNING,
            Outcome.FAILED: style.ERROR,
        }
        self.progress: Progress | None = None
        self.expected = 0

    @contextmanager
    def showing(self) -> Iterator[None]:
        if not (sys.stderr.isatty() and self.verbosity):
            yield
            return
        with Progress(console=Console(stderr=True), transient=True) as self.progress:
            self.bar = self.progress.add_task("Working", total=None)
            yield
        self.progress = None

    def write(self, text: str, style: Callable[[str], str] = str) -> None:
        if self.progress and self.out.isatty():
            # The same terminal: the line has to go above the bar.
            self.progress.console.print(Text.from_ansi(style(text)), soft_wrap=True)
        else:
            super().write(text, style)

    def expects(self, items: int) -> None:
        self.expected += items
        if self.progress:
            self.progress.update(self.bar, total=self.expected)

    def wrote(self, text: str, level: int) -> None:
        if level <= self.verbosity:
            self.write(text)

    def told(self, items: Sequence[Item[Any]]) -> None:
        for item in items:
            # Without words of its own an item is silent unless asked for.
            if self.verbosity >= (1 if item.line else 2):
                line = item.line or ": ".join(filter(None, [item.subject.label, item.detail]))
                bullet = item.bullet or item.outcome.sign
                self.write(f"  {bullet} {line}", self.colours.get(item.outcome, str))
        if self.progress:
            self.progress.advance(self.bar, len(items))

    def closes(self, run: JobRun, error: Exception | None) -> None:
        if isinstance(error, Busy):
            self.write(str(error))
            return
        if isinstance(error, BadOption) or self.report is None:
            return
        lines = self.report.summary()
        if run.preview_id:
            indented = bool(lines) and lines[-1].startswith("  ")
            lines.append(f"{'  ' * indented}Stale: {run.stale}")
        if not self.verbosity and lines and not lines[0]:
            lines = lines[1:]
        for line in lines:
            self.write(line)
        if run.dry_run and "Would be blocked" in run.problem:
            self.write(f"⚠ {run.problem}", self.style.WARNING)


class Document(Audience):
    """Collects everything into one JSON document."""

    def __init__(self, out: OutputWrapper) -> None:
        super().__init__(out)
        self.items: list[dict[str, Any]] = []
        self.lines: list[str] = []

    def told(self, items: Sequence[Item[Any]]) -> None:
        for item in items:
            entry: dict[str, Any] = {
                "subject": f"{item.subject.kind}:{item.subject.key}",
                "part": item.subject.part,
                "label": item.subject.label,
                "outcome": str(item.outcome),
                "action": item.action,
                "reason": str(item.reason or ""),
                "detail": item.detail,
                "line": item.line,
            }
            if item.amount is not None:
                entry["amount_minor"] = money.to_minor(item.amount)
                entry["currency"] = item.amount.currency.code
            self.items.append(entry)

    def wrote(self, text: str, level: int) -> None:
        self.lines.append(text)

    def closes(self, run: JobRun, error: Exception | None) -> None:
        document = {
            "job": run.job,
            "run": run.pk,
            "dry_run": run.dry_run,
            "preview": run.preview_id,
            "state": run.state,
            "problem": run.problem,
            "counts": {str(o): getattr(run, str(o)) for o in Outcome},
            "money": run.money,
            "summary": run.summary.splitlines(),
            "lines": self.lines,
            "items": self.items,
        }
        self.write(json.dumps(document, ensure_ascii=False, indent=2))


@contextmanager
def stopping_between_items(recorder: Recorder) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the run after the current item (spec A7.4).

    A second Ctrl-C does not wait for the item: it is rolled back.
    """

    def ask(signum: int, frame: FrameType | None) -> None:
        if recorder.stop_asked and signum == signal.SIGINT:
            raise KeyboardInterrupt
        recorder.stop_asked = True

    try:
        before = {s: signal.signal(s, ask) for s in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not the main thread: nobody sends us signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def use_utf8(out: OutputWrapper) -> None:
    """Write UTF-8 whatever the locale, so that a POSIX cron can print a ✓ (spec A8.2)."""
    stream = getattr(out, "_out", out)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="replace")
