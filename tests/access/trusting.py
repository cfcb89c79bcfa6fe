"""Say yes to the machine that the tests run on."""

from django.core.management import call_command


def trust(*options: str) -> None:
    call_command("trust_machine", "--yes", *options)
