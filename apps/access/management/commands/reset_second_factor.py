"""The command ``reset_second_factor``."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.access import services
from apps.core.problems import Problem
from apps.firms.models import User


class Command(BaseCommand):
    """Let somebody in again who lost both their phone and their backup codes."""

    help = "Take away the second factor of somebody who lost it, once you know who asks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--reason", default="Reset by an operator", help="How you know who asks."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"Nobody is called '{name}'.")
        try:
            services.reset_second_factor(user=user, reason=options["reason"])
        except Problem as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(f"The second factor of {name} is off.")
