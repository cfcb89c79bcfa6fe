"""Jobs of the tests' own, gathered like the project's: ``settings.JOBS_MODULE``.

``greet_contacts`` goes through contacts that have no locale yet, gives each one, and does to
some of them what their last name says. ``first_name`` is what a greeting costs, in cents.
"""

import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from django.db import models

from apps.contacts.models import Contact
from apps.core import days, money
from apps.core.batches import by_key
from apps.core.problems import BadOption, Problem
from apps.core.reports import Item, Report, Skip, Subject, block
from apps.core.watching import Stop
from apps.firms.models import Firm
from apps.jobs.job import AS_OF, DRY_RUN, FIRM_ID, Bound, Job, Option
from apps.jobs.models import JobRun
from apps.jobs.recording import recorded
from tests.factories import ContactFactory, FirmFactory

SECRET = "hunter2-ada@example.com"


class Reason(models.TextChoices):
    AWAY = "away", "is away"
    MUTE = "mute", "does not talk"


def ungreeted(firm_id: int | None = None) -> models.QuerySet[Contact]:
    """Return who has not been greeted yet, of one firm or of all."""
    if firm_id is not None and not Firm.objects.filter(pk=firm_id).exists():
        raise BadOption(f"Firm with ID {firm_id} does not exist.")
    rows = Contact.objects.filter(locale="")
    return rows if firm_id is None else rows.filter(firm_id=firm_id)


def greet(item: Item[Contact]) -> None:
    """Greet one contact, or fail at it the way its last name asks for."""
    contact = item.thing
    Contact.objects.filter(pk=contact.pk).update(locale="en")
    cost = money.from_minor(int(contact.first_name), "USD") if contact.first_name else None
    item.does("greet", cost, tally="greetings")
    item.says(f"{contact}: greeted", would=f"{contact}: would be greeted")
    match contact.last_name:
        case "raises":
            raise ValueError(SECRET)
        case "explains":
            raise Problem("the greeter is hoarse")
        case "doubles":
            Contact.objects.create(pk=contact.pk, firm=contact.firm)
        case "swallows":
            try:
                Contact.objects.create(pk=contact.pk, firm=contact.firm)
            except Exception:
                item.says("nobody will notice")
        case "skips":
            raise Skip(Reason.AWAY, f"{contact}: not at home")
        case "is silent":
            raise Skip(Reason.MUTE)
        case "declines":
            item.decline(Reason.AWAY, f"{contact}: does not want to")
        case "stops":
            raise Stop("Enough")
        case "times out":
            raise SystemExit(1)
        case "takes ages":
            time.sleep(30)
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "terminates":
            os.kill(os.getpid(), signal.SIGTERM)
        case "interrupts":
            os.kill(os.getpid(), signal.SIGINT)
        case "interrupts twice":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)


def summary(report: Report) -> list[str]:
    greeted = report.worded("Greeted", would="Would greet")
    return block(
        (greeted, report.tallies["greetings"]),
        ("Cost", money.write_totals(report.money)),
        ("Skipped", report.skipped),
        ("Errors", report.failed),
    )


def greet_contacts(
    *, firm_id: int | None = None, days_ago: int = 0, as_of: str = "", dry_run: bool = False
) -> Report:
    """Greet every contact once."""
    days.Clock.read(as_of=as_of, dry_run=dry_run)
    days.zero_or_more("--days-ago", days_ago)
    contacts = ungreeted(firm_id)
    report = Report(dry_run=dry_run, heading="Greeting contacts...", summary=summary)
    report.expect(contacts.count())
    for contact in by_key(contacts):
        with report.attempt(contact) as item:
            greet(item)
    return report


def greet_crowds(*, firm_id: int | None = None, dry_run: bool = False) -> Report:
    """Greet every contact once, many at a time."""

    def act(items: Sequence[Item[Contact]]) -> None:
        for item in items:
            if item.thing.last_name == "is left alone":
                item.skip(Reason.AWAY, f"{item.thing}: left alone")
            else:
                greet(item)

    report = Report(dry_run=dry_run, heading="Greeting crowds...", summary=summary)
    report.attempt_each(by_key(ungreeted(firm_id)), act, subject=Subject.of)
    return report


def crash(*, dry_run: bool = False) -> Report:
    """Crash at once."""
    raise ValueError(SECRET)


DAYS_AGO = Option("days_ago", int, 0, "Only contacts this old (100% of them).", metavar="N")

GREET = Job(
    service=greet_contacts, options=(FIRM_ID, DAYS_AGO, AS_OF, DRY_RUN), cron="0 9 * * *"
)
CROWDS = Job(service=greet_crowds, options=(FIRM_ID, DRY_RUN))
CRASH = Job(service=crash, options=(DRY_RUN,))
JOBS = (GREET, CROWDS, CRASH)
TIGHT = Bound(items=2, money={"USD": 10_000})


def contacts(*last_names: str, **fields: Any) -> list[Contact]:
    """Make contacts of one firm, called A, B, C …, that behave as their last names say."""
    firm = FirmFactory()
    return [
        ContactFactory(firm=firm, display_name=chr(65 + n), last_name=name, **fields)
        for n, name in enumerate(last_names)
    ]


def greeted() -> list[str]:
    """Return who has been greeted, in the order of their keys."""
    rows = Contact.objects.exclude(locale="").order_by("pk")
    return list(rows.values_list("display_name", flat=True))


def run_job(job: Job, *, how: dict[str, Any] | None = None, **arguments: Any) -> JobRun:
    """Run a job on the record; what ends it is on the record too and goes no further."""
    recorder = None
    try:
        with recorded(job, arguments, source=JobRun.Source.CODE, **(how or {})) as recorder:
            job.service(**arguments)
    except BaseException:
        assert recorder is not None
    return recorder.run


def outcomes(run: JobRun) -> list[tuple[str, str]]:
    """Return label and outcome of what a run has kept, in its order."""
    return list(run.items.order_by("position").values_list("subject_label", "outcome"))
