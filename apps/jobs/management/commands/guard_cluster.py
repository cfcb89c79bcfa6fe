"""The command ``guard_cluster``: a cluster that is started again when it is dead or stuck."""

import os
import socket
import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import fields
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.jobs.guard import Guard, Patience
from apps.jobs.queue import Pulse

HELP = {
    "grace": "After SIGTERM: how long runs may take to end, then to stop between items.",
    "stuck_after": "How long due work may wait while a worker is free.",
    "canary_after": "How long without a sign of life before a task is sent to provoke one.",
    "look_every": "How long between two looks at the queue.",
    "restart_after": "How long before the first restart; each early death doubles it.",
}


def seconds(text: str) -> float:
    """Read a number of seconds above zero."""
    try:
        if (value := float(text)) > 0:
            return value
    except ValueError:
        pass
    raise ArgumentTypeError(f"'{text}' is not a number of seconds above zero")


class Command(BaseCommand):
    """What a host runs for its work: ``qcluster`` under a guard."""

    help = "Run the cluster, and start it again whenever it is dead or stuck."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        for field in fields(Patience):
            parser.add_argument(
                "--" + field.name.replace("_", "-"),
                type=seconds,
                default=field.default,
                metavar="SECONDS",
                help=f"{HELP[field.name]} Default: {field.default}.",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        patience = Patience(**{field.name: options[field.name] for field in fields(Patience)})
        name = f"{socket.gethostname()}:{os.getpid()}"
        guard = Guard(
            [sys.executable, sys.argv[0], "qcluster"],
            name=name,
            pulse=Pulse(name),
            patience=patience,
        )
        if not guard.run():
            raise CommandError("The cluster did not stop in time and was killed.")
