"""The command ``trust_machine``."""

import getpass
import socket
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.access.services import machines
from apps.core.problems import Problem
from apps.installations.identity import this_installation
from apps.installations.leaving import forget, is_strange
from apps.installations.models import Installation
from apps.jobs.models import JobRun
from apps.jobs.queue import count_tasks, empty_queue


class Command(BaseCommand):
    """No job: it asks a person whether this is the database's place, or a copy's."""

    help = (
        "Let this machine act for this database: send messages, charge cards, read mailboxes. "
        "Until then nothing leaves the building from a machine that the database does not know."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        parser.add_argument(
            "--discard-waiting",
            action="store_true",
            help="This is a copy: give up the messages that wait and empty the queue. Says no "
            "yes: the machine stays unknown.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        forget()
        ours = this_installation()
        self.stdout.write(f"This machine: {ours.name}.")
        if not is_strange():
            if options["discard_waiting"]:
                raise CommandError("This database knows this machine, so it is no copy.")
            self.stdout.write("This database knows it already.")
            return
        self._tell(now)
        if options["discard_waiting"]:
            self._ask("These messages will never be sent.", options["yes"])
            self._discard(now)
            return
        self._ask("After a yes all this leaves from here.", options["yes"])
        machines.trust_machine(reason=_who(), now=now)
        self.stdout.write("This database knows this machine now; workers hear it in seconds.")

    def _tell(self, now: datetime) -> None:
        known = Installation.objects.order_by("-last_seen_at")
        for one in known[:10]:
            self.stdout.write(f"Known: {one}, last seen {_written(one.last_seen_at)}.")
        if not known:
            self.stdout.write("Known: no machine.")
        if run := JobRun.objects.exclude(worker="").order_by("-started_at").first():
            host = run.worker.partition(":")[0]
            when = _written(run.started_at) if run.started_at else "never"
            self.stdout.write(f"Last run: {run.job} on {host}, {when}.")
        amounts = {**machines.waiting(now=now), "queued tasks": count_tasks()}
        told = ", ".join(f"{count} {what}" for what, count in amounts.items())
        self.stdout.write(f"Waiting: {told}.")

    def _ask(self, what_follows: str, agreed: bool) -> None:
        if agreed:
            return
        try:
            answer = input(f"{what_follows} Type 'yes' to continue: ")
        except EOFError:
            answer = ""
        if answer.strip() != "yes":
            raise CommandError("Cancelled; nothing has changed.")

    def _discard(self, now: datetime) -> None:
        try:
            messages = machines.discard_what_waits(reason=_who(), now=now)
        except Problem as problem:
            raise CommandError(str(problem)) from None
        tasks = empty_queue()
        self.stdout.write(f"Discarded {messages} messages and {tasks} queued tasks.")
        self.stdout.write("Nothing leaves from here until: manage.py trust_machine")


def _who() -> str:
    return f"{getpass.getuser()} on {socket.gethostname()}"


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
