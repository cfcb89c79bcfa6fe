"""Let finished events go after their time; that they were here stays known (spec D9).

Two jobs ask for it, by the same rule (C-34): ``cleanup_webhook_events`` for every firm and
the platform, ``execute_retention_policies`` for firms whose policy says how long. Whichever
comes first leaves the other nothing to do.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connections, router
from django.db.models import DateTimeField, QuerySet, Value

from apps.core.batches import key_pages
from apps.core.days import MOST_DAYS, Clock, positive
from apps.core.personal import Cutoff
from apps.core.problems import Problem
from apps.core.reports import Report, Subject
from apps.firms.models import LegalHold, RetentionPolicy
from apps.webhooks.models import WebhookEvent, WebhookEventQuerySet, WebhookFingerprint

PAGE = 5000  # rows deleted in one transaction
REMEMBERED = timedelta(days=400)  # a fingerprint, after its event has gone

_DELETED = "deleted"


def cleanup_webhook_events(*, days: int | None = None, dry_run: bool = False) -> Report:
    """Delete the webhook events that came to their end long ago.

    Takes processed, ignored and given-up events received more than so many times 24 hours
    ago: WEBHOOK_RETENTION_DAYS (90 unless the environment says otherwise). A firm's own
    retention policy is obeyed instead, in its own calendar; where it says anonymise, it is
    left to ``execute_retention_policies``. ``days`` overrides both. Events that something
    may still be done about are never deleted, only counted, nor those of a firm under a
    legal hold. In the transaction in which an event goes its fingerprint is written and
    stays for 400 days: sent again by its provider, it is not acted on again. Rows go by
    primary key in pages of 5000; each page is one item on the record. Running it again
    finds nothing.
    """
    clock = Clock.read()
    named = settings.WEBHOOK_RETENTION_DAYS if days is None else positive("--days", days)
    kept = held = 0

    def summary(report: Report) -> list[str]:
        verb = report.worded("Deleted", would="Would delete")
        lines = [f"{verb} {report.tallies[_DELETED]} webhook events older than {named} days."]
        if kept:
            lines.append(f"Kept {kept} unfinished events older than {named} days.")
        if held:
            lines.append(f"Kept {held} events under a legal hold.")
        return lines

    report = Report(dry_run=dry_run, summary=summary)
    for rows in _older(report, clock, named, by_policy=days is None):
        kept += rows.unfinished().count()
        held += rows.finished().filter(firm__in=_held_firms()).count()
        free = rows.finished().exclude(firm__in=_held_firms())
        for page in key_pages(free, size=PAGE):
            with report.attempt(_subject(WebhookEvent, "webhook events", page)) as item:
                count = delete_events(free, page, clock.now)
                item.does(f"delete {count} webhook events")
                item.tallies += [_DELETED] * count
    old = WebhookFingerprint.objects.filter(event_deleted_at__lt=clock.now - REMEMBERED)
    for page in key_pages(old, size=PAGE):
        with report.attempt(_subject(WebhookFingerprint, "fingerprints", page)) as item:
            count = old.filter(pk__in=page)._raw_delete(old.db)
            item.does(f"forget {count} fingerprints")
    return report


def delete_events(rows: WebhookEventQuerySet, page: Sequence[int], now: datetime) -> int:
    """Replace events by their fingerprints, in the transaction around; return how many.

    Takes the rows of the page, ascending keys, that still belong to the selection. Locked
    first: a person may just be asking for a given-up event to be processed again.
    """
    these = rows.filter(pk__range=(page[0], page[-1])).select_for_update()
    events = WebhookEvent.objects.filter(pk__in=list(these.values_list("pk", flat=True)))
    copied = events.annotate(gone=Value(now, output_field=DateTimeField())).values_list(
        "firm", "provider", "account_key", "event_id", "received_at", "gone"
    )
    using = router.db_for_write(WebhookFingerprint)
    select, values = copied.query.get_compiler(using).as_sql()
    with connections[using].cursor() as cursor:
        cursor.execute(_REMEMBER.format(select=select), values)
    return int(events._raw_delete(using))


_REMEMBER = """
    INSERT INTO webhooks_webhookfingerprint
        (firm_id, provider, account_key, event_id, first_seen_at, event_deleted_at)
    {select}
    ON CONFLICT DO NOTHING
"""  # the ORM knows no INSERT … SELECT; it writes the SELECT


# ---- inside -------------------------------------------------------------------------------


def _older(
    report: Report, clock: Clock, days: int, *, by_policy: bool
) -> Iterator[WebhookEventQuerySet]:
    """Yield the events that are older than they need be, one selection for each cutoff."""
    before = clock.now - timedelta(days=min(days, MOST_DAYS))
    events = WebhookEvent.objects.filter(received_at__lt=before)
    if not by_policy:
        yield events
        return
    policies = RetentionPolicy.objects.filter(
        data_type=RetentionPolicy.DataType.WEBHOOKS, is_active=True
    )
    yield events.exclude(firm__in=policies.values("firm"))
    deleting = policies.filter(action=RetentionPolicy.Action.DELETE)
    ages = deleting.order_by("retention_days", "firm__timezone")
    for age, zone in ages.values_list("retention_days", "firm__timezone").distinct():
        alike = deleting.filter(retention_days=age, firm__timezone=zone)
        try:
            cutoff = Cutoff.of(clock, zone, age)
        except Problem as problem:
            report.fail(Subject("firms.firm", zone, f"Firms in {zone}"), problem)
            continue
        yield WebhookEvent.objects.filter(
            received_at__lt=cutoff.at, firm__in=alike.values("firm")
        )


def _held_firms() -> "QuerySet[LegalHold, Any]":
    """Return the firms that must keep everything."""
    in_force = LegalHold.objects.filter(subject_type=LegalHold.Subject.FIRM, released_at=None)
    return in_force.values("firm")


def _subject(
    model: type[WebhookEvent | WebhookFingerprint], noun: str, page: Sequence[int]
) -> Subject:
    label = f"{len(page)} {noun} from {page[0]} to {page[-1]}"
    return Subject(model._meta.label_lower, str(page[0]), label)
