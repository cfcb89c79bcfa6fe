"""Let finished events go after their time; that they were here stays known (spec D9)."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connections, router
from django.db.models import DateTimeField, QuerySet, Value

from apps.core.days import MOST_DAYS, Clock, positive
from apps.core.reports import Report, Subject
from apps.firms.models import RetentionPolicy
from apps.webhooks.models import WebhookEvent, WebhookEventQuerySet, WebhookFingerprint

PAGE = 5000  # rows deleted in one transaction
REMEMBERED = timedelta(days=400)  # a fingerprint, after its event has gone

_DELETED = "deleted"


def cleanup_webhook_events(*, days: int | None = None, dry_run: bool = False) -> Report:
    """Delete the webhook events that came to their end long ago.

    Takes processed, ignored and given-up events received more than so many times 24 hours
    ago: WEBHOOK_RETENTION_DAYS (90 unless the environment says otherwise), or what a firm's
    own retention policy says; ``days`` overrides both. Events that something may still be
    done about are never deleted, only counted. In the transaction in which an event goes its
    fingerprint is written and stays for 400 days: sent again by its provider, it is not acted
    on again. Rows go by primary key in pages of 5000; each page is one item on the record.
    Running it again finds nothing.
    """
    now = Clock.read().now
    named = settings.WEBHOOK_RETENTION_DAYS if days is None else positive("--days", days)
    groups = _older(now, named, by_policy=days is None)
    kept = sum(rows.unfinished().count() for rows in groups)

    def summary(report: Report) -> list[str]:
        verb = report.worded("Deleted", would="Would delete")
        older = f"webhook events older than {named} days."
        lines = [f"{verb} {report.tallies[_DELETED]} {older}"]
        if kept:
            lines.append(f"Kept {kept} unfinished {older.removeprefix('webhook ')}")
        return lines

    report = Report(dry_run=dry_run, summary=summary)
    for rows in groups:
        for page in _pages(rows.finished()):
            with report.attempt(_subject(WebhookEvent, "webhook events", page)) as item:
                count = _forget_but_for_the_name(rows.finished(), page, now)
                item.does(f"delete {count} webhook events")
                item.tallies += [_DELETED] * count
    old = WebhookFingerprint.objects.filter(event_deleted_at__lt=now - REMEMBERED)
    for page in _pages(old):
        with report.attempt(_subject(WebhookFingerprint, "fingerprints", page)) as item:
            count = old.filter(pk__in=page)._raw_delete(old.db)
            item.does(f"forget {count} fingerprints")
    return report


# ---- inside -------------------------------------------------------------------------------


def _older(now: datetime, days: int, *, by_policy: bool) -> list[WebhookEventQuerySet]:
    """Return the events that are older than they need be, one selection for each age."""

    def before(days: int) -> WebhookEventQuerySet:
        age = timedelta(days=min(days, MOST_DAYS))
        return WebhookEvent.objects.filter(received_at__lt=now - age)

    if not by_policy:
        return [before(days)]
    policies = RetentionPolicy.objects.filter(
        data_type=RetentionPolicy.DataType.WEBHOOKS, is_active=True
    )
    ages = policies.order_by("retention_days").values_list("retention_days", flat=True)
    others = before(days).exclude(firm__in=policies.values("firm"))
    return [others] + [
        before(age).filter(firm__in=policies.filter(retention_days=age).values("firm"))
        for age in ages.distinct()
    ]


def _pages(rows: "QuerySet[Any]") -> Iterator[list[int]]:
    """Yield the keys of rows in pages; the loop may delete them."""
    keys = rows.order_by("pk").values_list("pk", flat=True)
    last = 0
    while page := list(keys.filter(pk__gt=last)[:PAGE]):
        yield page
        last = page[-1]


def _subject(
    model: type[WebhookEvent | WebhookFingerprint], noun: str, page: list[int]
) -> Subject:
    label = f"{len(page)} {noun} from {page[0]} to {page[-1]}"
    return Subject(model._meta.label_lower, str(page[0]), label)


def _forget_but_for_the_name(
    rows: WebhookEventQuerySet, page: Sequence[int], now: datetime
) -> int:
    """Replace events by their fingerprints, in the transaction around; return how many.

    Locked first: a person may just be asking for a given-up event to be processed again.
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
