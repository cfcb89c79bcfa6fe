"""The job: read what is new in the mailboxes of all firms (spec D31)."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Min
from django.db.models.functions import Coalesce

from apps.core.days import Clock
from apps.core.problems import BadOption
from apps.core.reports import Report, block
from apps.firms.models import Firm, RetentionPolicy
from apps.firms.services import find_firm, find_tenant, why_not_served
from apps.integrations.storage import get_storage
from apps.mailbox.models import EmailConnection, EmailConnectionQuerySet
from apps.mailbox.services.connections import own_addresses
from apps.mailbox.services.storing import NEW
from apps.mailbox.services.visits import CONNECTIONS, Tour, Visit

TENANTS = "tenants processed"  # a tally
_TIME = 0.6  # of a job's time-out; then the rest is left for the next run
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Status = EmailConnection.Status


def sync_emails(
    *,
    tenant: str | None = None,
    max_messages: int = 500,
    firm_id: int | None = None,
    dry_run: bool = False,
) -> Report:
    """Fetch the new messages of every mailbox and file them into tickets.

    Mailboxes that are switched on, of active firms, those first that have waited longest.
    Folders are opened read-only and nothing is marked as seen. Each folder is read on from
    the last UID, oldest first, at most ``max_messages`` of a mailbox, so that a backlog is
    worked off without gaps; the first time, only the last ``MAIL_FIRST_DAYS`` days. A message
    is stored once (its id, or a hash where it has none); what cannot be read is kept as it
    is, counts as an error and holds nothing up. Wrong credentials: its owners and admins are
    told once, and nothing is tried until they change. Any other trouble: again after 5, 10,
    20 … at most 360 minutes. One mailbox's trouble spares the others.
    """
    if max_messages < 1:
        raise BadOption("--max-messages must be a positive integer.")
    clock = Clock.read()
    report = Report(dry_run=dry_run, summary=_summary)
    ends = time.monotonic() + settings.JOB_TIMEOUT * _TIME
    with closing(get_storage()) as storage:
        tour = Tour(report, clock.now, max_messages, ends, storage)
        for firm in _firms(report, tenant=tenant, firm_id=firm_id, now=clock.now):
            if time.monotonic() > ends:
                break
            report.tallies[TENANTS] += 1
            report.says(f"Syncing emails for tenant: {firm.slug}")
            _sync(firm, tour)
    return report


def _sync(firm: Firm, tour: Tour) -> None:
    """Visit the mailboxes of a firm, and say which are left alone."""
    ours, horizon = own_addresses(firm), _horizon(firm, tour.now)
    mailboxes = EmailConnection.objects.filter(firm=firm, is_active=True)
    waited = Coalesce("last_attempt_at", _NEVER)
    for connection in mailboxes.select_related("firm").order_by(waited, "pk"):
        if why_not := _why_not(connection, tour.now):
            tour.report.says(f"  - {connection}: {why_not}", level=2)
        else:
            Visit(tour, connection, ours, horizon).make()


def _firms(
    report: Report, *, tenant: str | None, firm_id: int | None, now: datetime
) -> Iterator[Firm]:
    """Yield the firms with a mailbox to be read, and say which one is left out."""
    due = readable(now)
    asked = [find_firm(firm_id)] if firm_id is not None else []
    asked += [find_tenant(tenant)] if tenant is not None else []
    for firm in asked:
        due = due.filter(firm=firm)
        if left_out := why_not_served(firm):
            report.says(left_out)
    waited = Min(Coalesce("last_attempt_at", _NEVER))
    rows = due.values("firm").annotate(waited=waited).order_by("waited", "firm")
    for key in list(rows.values_list("firm", flat=True)):
        yield Firm.objects.select_related("settings").get(pk=key)


def readable(now: datetime) -> EmailConnectionQuerySet:
    """Return the mailboxes to be read now, of served firms."""
    return EmailConnection.objects.due(now=now).filter(firm__is_active=True)


def _why_not(connection: EmailConnection, now: datetime) -> str:
    """Say why a mailbox is left alone in this run."""
    if connection.status == Status.AUTH_FAILED:
        return "waits for new credentials"
    if connection.backoff_until and connection.backoff_until > now:
        return f"left alone until {connection.backoff_until:%H:%M} UTC after a failure"
    return ""


def _horizon(firm: Firm, now: datetime) -> datetime:
    """Return from when on letters are stored at all.

    What the firm does not keep any more must not come back when a server numbers its letters
    anew.
    """
    emails = RetentionPolicy.DataType.EMAILS
    policies = RetentionPolicy.objects.filter(firm=firm, data_type=emails, is_active=True)
    days = policies.values_list("retention_days", flat=True).first()
    return now - timedelta(days=days) if days else _NEVER


def _summary(report: Report) -> list[str]:
    tallies = report.tallies
    new = report.worded("New messages", would="New messages that would be stored")
    return block(
        ("Tenants processed", tallies[TENANTS]),
        ("Connections synced", tallies[CONNECTIONS]),
        (new, tallies[NEW]),
        ("Errors", report.failed),
    )
