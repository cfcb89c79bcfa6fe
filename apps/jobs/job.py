"""How a job is declared: one row says everything there is to know about it.

From a ``Job`` come the command, the ``Schedule`` row, the console's forms and the row in
``docs/jobs.md``. Nothing is generated from signatures and nothing is discovered.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

from django.conf import settings

from apps.core.explaining import Explanation
from apps.core.problems import BadOption
from apps.core.reports import Report

Literal = int | str | bool


@dataclass(frozen=True)
class Option:
    """One argument of a job: an argparse argument, a form field and a docs cell."""

    name: str  # the service's keyword
    type: type[Literal]
    default: Literal | None
    help: str
    flag: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()

    @property
    def switch(self) -> str:
        """The option as typed: ``--days-before``."""
        return self.flag or "--" + self.name.replace("_", "-")


@dataclass(frozen=True)
class Bound:
    """The most that one run may do before it stops as *blocked*.

    ``items`` counts items done; ``money`` is minor units per currency.
    """

    items: int | None = None
    money: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A service function that runs by itself, by command or from the console."""

    service: Callable[..., Report]
    cron: str = ""  # UTC; empty: only when somebody asks
    kwargs: Mapping[str, Literal] = field(default_factory=dict)  # what the schedule passes
    options: tuple[Option, ...] = ()
    bound: Bound | None = None
    # What it reaches outside the building: "mail", "storage". On a machine that the database
    # does not know it is not started (apps/installations).
    touches: tuple[str, ...] = ()
    locked: bool = True  # two runs with the same scope do not overlap
    explains: tuple[Explanation, ...] = ()  # which rows it takes, and why it leaves others
    harm: str = ""  # what cannot be taken back ("charges cards"): the console asks first

    @property
    def name(self) -> str:
        return self.service.__name__

    @property
    def path(self) -> str:
        """The dotted path that a ``Schedule`` row names."""
        return f"apps.{self.app}.services.{self.name}"

    @property
    def app(self) -> str:
        return self.service.__module__.split(".")[1]

    @cached_property
    def summary(self) -> str:
        """The first docstring line: the help, the label and the docs row."""
        return (inspect.getdoc(self.service) or "").partition("\n")[0]

    @property
    def previews(self) -> bool:
        """Whether the job knows dry runs."""
        return any(option.name == "dry_run" for option in self.options)

    def bind(self, kwargs: Mapping[str, Any]) -> dict[str, Literal]:
        """Return ``kwargs`` checked against the options.

        Raises ``BadOption`` for an unknown name or a value of another type.
        """
        known = {option.name: option for option in self.options}
        for name, value in kwargs.items():
            if name not in known:
                raise BadOption(f"{self.name} has no argument '{name}'.")
            option = known[name]
            if value is None and option.default is None:
                continue
            if type(value) is not option.type:
                words = {
                    int: "a whole number",
                    str: "a text in quotes",
                    bool: "True or False",
                }
                raise BadOption(f"{self.name}: {name} must be {words[option.type]}.")
            if option.choices and value not in option.choices:
                raise BadOption(
                    f"{self.name}: {name} must be one of {', '.join(option.choices)}."
                )
        return dict(kwargs)


def registry() -> tuple[Job, ...]:
    """Return every job of the project, in the order of ``project/jobs.py``.

    The setting names that module as ``ROOT_URLCONF`` names the one with the addresses.
    """
    jobs: tuple[Job, ...] = import_module(settings.JOBS_MODULE).JOBS
    return jobs


def find(name: str) -> Job:
    """Return the job of that name or dotted path; raises ``BadOption`` for an unknown one."""
    for job in registry():
        if name in {job.name, job.path}:
            return job
    raise BadOption(f"There is no job '{name}'.")


def of_function(function: object) -> Job | None:
    """Return the job that a function is the service of, if it is one."""
    return next((job for job in registry() if job.service is function), None)


# ---- options that many jobs share ---------------------------------------------------------

DRY_RUN = Option("dry_run", bool, False, "Show what would happen without changing anything.")
AS_OF = Option(
    "as_of",
    str,
    "",
    "With --dry-run: look at this day instead of today.",
    metavar="YYYY-MM-DD",
)
FIRM_ID = Option("firm_id", int, None, "Only this firm.", metavar="ID")
TENANT = Option(
    "tenant", str, None, "Only this organisation (its slug, the schema name).", metavar="SCHEMA"
)
AT = Option("at", str, "", "Not before this local time of day.", metavar="HH:MM")
WEEKDAYS = Option("weekdays", str, "", "Only on these local weekdays: mon,thu.", metavar="DAYS")
