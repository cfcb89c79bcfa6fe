"""The command ``qflush``, which Django-Q2 does not have: empty the queue (spec D25)."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import OrmQ

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """No job: it asks a person, and what it removes is not the firms' data."""

    help = (
        "Remove all queued tasks of a cluster. Tasks that are being worked on finish "
        "normally; schedules and results stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--queue",
            default=Conf.CLUSTER_NAME,
            metavar="NAME",
            help="Another cluster's queue.",
        )
        parser.add_argument("--no-input", action="store_true", help="Do not ask.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Count the queued tasks and change nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        queue: str = options["queue"]
        # All rows: the broker's own size leaves out those being worked on, its purge does not.
        queued = OrmQ.objects.filter(key=queue).count()
        if not queued:
            self.stdout.write(f"Queue '{queue}' is empty.")
            return
        if options["dry_run"]:
            self.stdout.write(f"Would flush {queued} tasks from queue '{queue}'.")
            return
        if not options["no_input"] and not agreed(queued):
            raise CommandError("Cancelled.")
        flushed, _ = get_broker(queue).purge_queue()
        logger.warning("%d queued tasks were flushed from queue %s", flushed, queue)
        self.stdout.write(f"Flushed {flushed} tasks from queue '{queue}'.")


def agreed(queued: int) -> bool:
    """Ask whoever sits at the terminal."""
    try:
        answer = input(f"This removes {queued} queued tasks. Type 'yes' to continue: ")
    except EOFError:
        return False
    return answer.strip() == "yes"
