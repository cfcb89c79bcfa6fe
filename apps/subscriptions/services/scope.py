"""Which subscriptions a run is about, and what day it is for each."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from apps.core import batches
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Report, Subject
from apps.subscriptions.models import Subscription, SubscriptionQuerySet


def subject_of(subscription: Subscription, *, part: str = "") -> Subject:
    """Return what an item of a run is about.

    It names no firm, so that only the platform's own people find it in the record: what the
    platform sells is none of a firm's own reports.
    """
    return Subject(
        subscription._meta.label_lower,
        str(subscription.pk),
        subscription.firm.slug,
        part,
    )


def by_day(
    report: Report, subscriptions: SubscriptionQuerySet, clock: Clock
) -> Iterator[tuple[SubscriptionQuerySet, date]]:
    """Yield the subscriptions by the date it is for the subscribing firm.

    There are never more than three dates on Earth. Firms in a zone that nobody knows fail
    and spare the others.
    """
    zones: dict[date, list[str]] = defaultdict(list)
    names = subscriptions.order_by("firm__timezone").values_list("firm__timezone", flat=True)
    for name in names.distinct():
        try:
            zones[clock.today(name)].append(name)
        except Problem as problem:
            lost = subscriptions.filter(firm__timezone=name).select_related("firm")
            for one in batches.by_key(lost):
                report.fail(subject_of(one), problem)
    for today, there in sorted(zones.items()):
        yield subscriptions.filter(firm__timezone__in=there), today
