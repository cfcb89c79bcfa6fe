"""The command ``provision_firm``."""

import os
import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.services import Provisioned, provision_firm
from apps.jobs.commands import use_utf8

VARIABLE = "PROVISION_ADMIN_PASSWORD"
FROM_STDIN = "-"


class Command(BaseCommand):
    """No job: what is typed here holds a password, and a run keeps its arguments."""

    help = "Create a firm with its owner, its settings and its trial subscription."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="The firm's name.")
        parser.add_argument(
            "--slug", required=True, help="Its short name in addresses: acme-consulting."
        )
        parser.add_argument("--admin-email", required=True, help="Who is to own it.")
        parser.add_argument(
            "--admin-password",
            required=not os.environ.get(VARIABLE),
            help=f"The owner's password; - reads it from standard input, and the variable "
            f"{VARIABLE} may hold it instead. One that is written here must be changed at "
            "the first sign-in. An existing user keeps theirs.",
        )
        parser.add_argument("--timezone", default="UTC", help="Default: UTC.")
        parser.add_argument("--currency", default="USD", help="Default: USD.")
        parser.add_argument(
            "--tier", default="professional", help="The plan. Default: professional."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Check everything and create nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        use_utf8(self.stdout)
        use_utf8(self.stderr)
        typed: str | None = options["admin_password"]
        try:
            made = provision_firm(
                name=options["name"],
                slug=options["slug"],
                admin_email=options["admin_email"],
                admin_password=password(typed),
                timezone=options["timezone"],
                currency=options["currency"],
                tier=options["tier"],
                must_change_password=typed not in {None, FROM_STDIN},
                clock=Clock.read(),
                dry_run=options["dry_run"],
            )
        except Problem as problem:
            raise CommandError(str(problem)) from None
        if options["dry_run"]:
            self.stdout.write(f"Would provision firm: {made.firm.name} ({made.firm.slug})")
            self.stdout.write("All options are valid; nothing was created.")
        else:
            self._tell(made)

    def _tell(self, made: Provisioned) -> None:
        firm, address = made.firm, made.owner.email
        self.stdout.write(f"Provisioning firm: {firm.name} ({firm.slug})")
        self.stdout.write(f"  ✓ Created firm (ID: {firm.pk})")
        if made.is_new_owner:
            self.stdout.write(f"  ✓ Created admin user {address}")
        else:
            self.stdout.write(
                f"  ✓ Made existing user {address} the owner; their password is unchanged"
            )
        self.stdout.write("  ✓ Applied baseline configuration")
        self.stdout.write(self.style.SUCCESS("Firm provisioned successfully."))


def password(typed: str | None) -> str:
    """Return the password from where it is: typed as an option, standard input, a variable."""
    if typed is None:
        return os.environ[VARIABLE]
    if typed != FROM_STDIN:
        return typed
    if sys.stdin.isatty():
        return getpass("Password of the owner: ")
    return sys.stdin.readline().rstrip("\r\n")
