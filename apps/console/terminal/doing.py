"""What the acting verbs of ``manage.py jobs`` do: the same as the buttons of the pages."""

import getpass
import socket
from datetime import UTC, datetime
from typing import Any

from apps.console import services
from apps.console.services import Caller
from apps.console.terminal.reading import find_run
from apps.core.problems import BadOption
from apps.jobs.commands import Printer
from apps.jobs.job import Job, find
from apps.jobs.models import JobRun
from apps.jobs.previews import to_apply


def caller_here() -> Caller:
    """Return whoever has this shell: the operating system has let them in."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have
        account = "unknown"
    return Caller(None, f"{account}@{socket.gethostname()}")


def read_moment(option: str, typed: str) -> datetime | None:
    """Return a time in UTC as it was typed; nothing for nothing."""
    if not typed:
        return None
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        raise BadOption(
            f"{option} must be a day or a time in UTC, such as 2025-04-01 or 2025-04-01T09:00."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def cancel(pk: int) -> str:
    if not services.cancel(find_run(pk), caller=caller_here()):
        raise BadOption(f"Run {pk} is over, or was asked to stop already.")
    return f"Run {pk} was asked to stop after its current item."


def retry(pk: int) -> str:
    again = services.retry(find_run(pk), caller=caller_here())
    return f"Run {again.pk} waits to take up what failed in run {pk}."


def pause(name: str, *, until: str, reason: str) -> str:
    ends = read_moment("--until", until)
    held = services.pause(find(name), until=ends, reason=reason, caller=caller_here())
    return f"{held}."


def resume(name: str) -> str:
    job = find(name)
    services.resume(job, caller=caller_here())
    return f"{job.name} is resumed; what was due meanwhile comes up at its next time."


def what_to_apply(pk: int) -> tuple[JobRun, Job, dict[str, Any]]:
    """Return a preview with what applying it runs; raises ``BadOption`` if it must not be."""
    preview = find_run(pk)
    return preview, *to_apply(preview)


class PreviewPrinter(Printer):
    """Prints a dry run as the job's own command does, and then its number."""

    def closes(self, run: JobRun, error: Exception | None) -> None:
        super().closes(run, error)
        self.write(f"Preview {run.pk}. Apply exactly this: manage.py jobs apply {run.pk}")
