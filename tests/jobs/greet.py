"""``python -m tests.jobs.greet``: the tests' own job as a command in a process of its own."""

import sys

import django

if __name__ == "__main__":
    django.setup()

from apps.jobs.commands import JobCommand
from tests.jobs.work import GREET


class Command(JobCommand):
    declared = GREET


if __name__ == "__main__":
    Command().run_from_argv(["manage.py", "greet_contacts", *sys.argv[1:]])
