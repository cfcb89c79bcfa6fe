"""Stale deals: flagged when nobody has touched them for too long (spec D13)."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial

from django.db.models import (
    Case,
    DateField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    TextChoices,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest
from django_stubs_ext import WithAnnotations

from apps.core import batches, bulk, days
from apps.core.days import Clock
from apps.core.reports import Item, Report, Subject
from apps.crm.models import Deal, StaleDealAlert
from apps.crm.staleness import Judged, Staleness
from apps.firms.services import by_firm, named

NEW, RECOVERED = "newly stale", "recovered"  # tallies


class StaleReason(TextChoices):
    MEANWHILE = "meanwhile", "Somebody or another run was first"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


def check_stale_deals(
    *, firm_id: int | None = None, at: str = "", dry_run: bool = False
) -> Report:
    """Flag the open deals that nobody has touched for too long.

    By the firm's own date and the idle days of stage, pipeline or firm. A deal that is newly
    stale gets its flag, the day since when, and an alert (one open alert per deal); one that
    is not stale any more loses the flag and its alert is resolved. Running it again changes
    nothing: neither our flag nor anything automated is a touch. Tells nobody; that is
    ``send_stale_deal_reminders``.
    """
    days.check_gate(at=at)
    clock = Clock.read()
    report = Report(dry_run=dry_run)
    for firm, today in by_firm(report, clock, Deal.objects.open(), firm_id=firm_id, at=at):
        rule, before = Staleness.on(firm, today), Counter(report.tallies)
        deals = Deal.objects.for_firm(firm).open()
        checked, standing = deals.count(), deals.filter(is_stale=True).count()
        report.attempt_each(
            (deal for page in batches.pages(_to_settle(deals, rule)) for deal in page),
            partial(_settle, rule=rule, now=clock.now),
            subject=Subject.of,
        )
        made = report.tallies - before
        total = standing + made[NEW] - made[RECOVERED]
        report.says(
            f"{named(firm)}: {checked} open deals checked, "
            + report.worded(
                f"{made[NEW]} newly stale, {made[RECOVERED]} recovered, {total} stale in total",
                would=f"{made[NEW]} would be newly stale, {made[RECOVERED]} would recover, "
                f"{total} would be stale in total",
            ),
            level=0,
        )
    return report


def _to_settle(
    deals: "QuerySet[Deal]", rule: Staleness
) -> "QuerySet[WithAnnotations[Deal, Judged]]":
    """Return the deals whose flag is not, or not any more, what the rule says.

    One that was touched and has been left alone again since its alert was opened, both
    between two runs, keeps its flag and begins anew.
    """
    touched_at = Greatest("stage_entered_at", Coalesce("last_activity_at", "stage_entered_at"))
    touched_since = StaleDealAlert.objects.open().filter(
        deal=OuterRef("pk"), created_at__lt=OuterRef("touched")
    )
    return (
        rule.judge(deals)
        .alias(touched=touched_at, begins_anew=Exists(touched_since))
        .filter(~Q(is_stale=F("goes_stale")) | Q(is_stale=True, begins_anew=True))
    )


def _settle(items: Sequence[Item[Deal]], *, rule: Staleness, now: datetime) -> None:
    """Bring the flags and the alerts of a batch in line with the rule."""
    found = _behind_locks([item.thing.pk for item in items], rule)
    gone, fresh = list[int](), dict[int, date]()  # deals; since when
    for item in items:
        deal = found.get(item.thing.pk)
        if deal is None:
            item.skip(StaleReason.MEANWHILE)
            continue
        if deal.is_stale:
            gone.append(deal.pk)
            item.does("recover", tally=RECOVERED)
            item.says("", would=f"Would recover: {deal}")
        if deal.goes_stale:
            since = fresh[deal.pk] = rule.stale_since(deal)
            also = item.tallies
            item.does(f"flag as stale since {since}", tally=NEW)
            item.tallies += also
            item.says("", would=f"Would be stale since {since}: {deal}")
    StaleDealAlert.objects.open().filter(deal__in=gone).update(
        resolved_on=rule.today, updated_at=now
    )
    Deal.objects.filter(pk__in=gone).update(is_stale=False, stale_since=None, updated_at=now)
    _flag(fresh, now)
    bulk.insert(
        StaleDealAlert,
        ("firm", "deal", "opened_on"),
        ((rule.firm.pk, deal, rule.today) for deal in fresh),
    )


def _flag(since: Mapping[int, date], now: datetime) -> None:
    """Flag deals, each since its day: one statement that names each day once, not each deal."""
    by_day: dict[date, list[int]] = defaultdict(list)
    for deal, day in since.items():
        by_day[day].append(deal)
    if since:
        days = [When(pk__in=deals, then=Value(day)) for day, deals in by_day.items()]
        Deal.objects.filter(pk__in=since).update(
            is_stale=True, stale_since=Case(*days, output_field=DateField()), updated_at=now
        )


def _behind_locks(
    keys: Sequence[int], rule: Staleness
) -> "dict[int, WithAnnotations[Deal, Judged]]":
    """Lock deals, and return those that are still to be settled as they are now.

    In two statements: what came in while the first one waited, only the second sees.
    """
    deals = Deal.objects.filter(pk__in=keys)
    list(deals.order_by("pk").select_for_update(no_key=True).values_list("pk"))
    return {deal.pk: deal for deal in _to_settle(deals, rule)}
