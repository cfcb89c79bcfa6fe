"""Reminders of stale deals: to their owners, and at last to a manager (spec D14)."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias, TypedDict

from django.db.models import F, Q, QuerySet, TextChoices
from django_stubs_ext import WithAnnotations

from apps.core import batches, days, money
from apps.core.days import Clock
from apps.core.reports import Item, Report, Subject
from apps.crm.messages import STALE_DEALS, STALE_DEALS_ESCALATED, contents
from apps.crm.models import Deal, StaleDealAlert
from apps.crm.staleness import Staleness
from apps.firms.models import User
from apps.firms.rights import in_charge, people_at
from apps.firms.services import by_firm, named
from apps.notifications.services import Draft, notify
from apps.notifications.types import NotificationType

AGAIN_AFTER = timedelta(days=7)
MOST = 4  # reminders; then the manager is told, once
PEOPLE_AT_ONCE = 50  # in one transaction, each with all their deals

SENT, REMINDED, ESCALATED = "sent", "reminded", "escalated"  # tallies: people, deals, deals


class ReminderReason(TextChoices):
    """Why deals are stale and nobody is told today."""

    MEANWHILE = "meanwhile", "somebody or another run was first"
    TOLD_TODAY = "told_today", "had a message today"
    NOBODY = "nobody", "nobody is in charge"
    UNREACHABLE = "unreachable", "wants no such messages"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return self in {ReminderReason.MEANWHILE, ReminderReason.TOLD_TODAY}


class Meant(TypedDict):
    """What the selection adds to an alert."""

    meant: int | None  # who should hear of it


Alert: TypeAlias = "WithAnnotations[StaleDealAlert, Meant]"
Due = Mapping[int | None, Sequence[Alert]]  # by whom they are meant for


@dataclass(frozen=True)
class Kind:
    """A kind of message: about which alerts, meant for whom."""

    type: NotificationType
    key: str
    about: Q
    meant_for: str  # the column of an alert's deal


REMINDER = Kind(STALE_DEALS, "stale-deals", Q(reminder_count__lt=MOST), "deal__owner")
ESCALATION = Kind(
    STALE_DEALS_ESCALATED,
    "stale-deals-escalated",
    Q(reminder_count__gte=MOST),
    "deal__pipeline__manager",
)


@dataclass(frozen=True, slots=True)
class Circle:
    """People who are told together, since they may share a deal: one, or those in charge."""

    people: Sequence[User]
    owners: frozenset[int | None]  # for whom the alerts are meant that they are told of
    subject: Subject

    def share_of(self, person: User, due: "Due") -> "list[Alert]":
        """Return what a person is told of: what is meant for them, and what for nobody here."""
        others = {one.pk for one in self.people} - {person.pk}
        return [alert for owner in self.owners - others for alert in due.get(owner, ())]


def send_stale_deal_reminders(
    *, firm_id: int | None = None, at: str = "", dry_run: bool = False
) -> Report:
    """Remind the owners of stale deals, and at last a manager.

    Every alert whose deal is still stale at this moment, a week after it was reminded of
    last, four times; then the manager of the pipeline is told once, and nobody any more.
    What is meant for nobody, or for somebody who has left, goes to the firm's owners and
    admins. One message to each person and day (its key), by e-mail and in-app.
    """
    days.check_gate(at=at)
    clock = Clock.read()
    report = Report(dry_run=dry_run)
    alerts = StaleDealAlert.objects.open()
    for firm, today in by_firm(report, clock, alerts, firm_id=firm_id, at=at):
        rule, before = Staleness.on(firm, today), Counter(report.tallies)
        for kind in (REMINDER, ESCALATION):
            report.attempt_each(
                _circles(kind, rule),
                partial(_tell, kind=kind, rule=rule, now=clock.now),
                subject=lambda circle: circle.subject,
                size=PEOPLE_AT_ONCE,
            )
        made = report.tallies - before
        told, about = _some(made[SENT], "owner"), _some(made[REMINDED], "deal")
        reminders, escalated = _some(made[SENT], "reminder"), made[ESCALATED]
        report.says(
            f"{named(firm)}: "
            + report.worded(
                f"{reminders} sent to {told} ({about}), {escalated} escalated",
                would=f"{reminders} would be sent to {told} ({about}), "
                f"{escalated} would be escalated",
            ),
            level=0,
        )
    return report


# ---- which ----------------------------------------------------------------------------------


def due_alerts(kind: Kind, rule: Staleness) -> "QuerySet[StaleDealAlert]":
    """Return the alerts of a firm to tell of today; those of deals touched by now are none."""
    return StaleDealAlert.objects.open().filter(
        kind.about,
        Q(last_reminded_on=None) | Q(last_reminded_on__lte=rule.today - AGAIN_AFTER),
        firm=rule.firm,
        escalated_on=None,
        deal__in=rule.stale(Deal.objects.all()).values("pk"),
    )


def _circles(kind: Kind, rule: Staleness) -> Iterator[Circle]:
    """Yield who is to be told: each person who works there, and those in charge together."""
    firm, column = rule.firm, kind.meant_for
    owners = set(due_alerts(kind, rule).order_by().values_list(column, flat=True).distinct())
    if not owners:
        return
    leaders = in_charge([firm.pk]).get(firm.pk, [])
    others = people_at(firm.pk).filter(pk__in=owners - {None}).order_by("pk")
    for person in others.exclude(pk__in=[leader.pk for leader in leaders]):
        owners.remove(person.pk)
        subject = Subject("firms.user", str(person.pk), str(person), kind.key, firm.pk)
        yield Circle([person], frozenset({person.pk}), subject)
    if owners:
        subject = Subject.of(firm, part=kind.key, label=f"those in charge of {firm}")
        yield Circle(leaders, frozenset(owners), subject)


# ---- told -----------------------------------------------------------------------------------


def _tell(items: Sequence[Item[Circle]], *, kind: Kind, rule: Staleness, now: datetime) -> None:
    """Put the messages of a batch into the outbox, and count them on the alerts."""
    due = _behind_locks(kind, rule, {owner for item in items for owner in item.thing.owners})
    shares = {
        person: item.thing.share_of(person, due)
        for item in items
        for person in item.thing.people
    }
    drafts = [_draft(kind, rule, *share) for share in shares.items() if share[1]]
    told = {planned.draft.recipient: planned.channels for planned in notify(drafts)}
    counted = dict[int, Alert]()
    for item in items:
        people = [person for person in item.thing.people if person in told]
        about = {alert.pk: alert for person in people for alert in shares[person]}
        counted |= about
        if any(told[person] for person in people):
            _announce(item, kind, people, [alert.deal for alert in about.values()])
        elif people:
            words = f"{item.subject.label}: wants no such messages"
            item.decline(ReminderReason.UNREACHABLE, words)
        elif item.thing.owners.isdisjoint(due):
            item.skip(ReminderReason.MEANWHILE)
        elif item.thing.people:
            item.skip(ReminderReason.TOLD_TODAY)
        else:
            words = f"{rule.firm}: stale deals are nobody's, and nobody is in charge"
            item.skip(ReminderReason.NOBODY, words)
    _count(kind, rule, counted, now)


def _behind_locks(kind: Kind, rule: Staleness, owners: Collection[int | None]) -> Due:
    """Lock the due alerts that are meant for some people; another run waits here."""
    alerts = due_alerts(kind, rule).annotate(meant=F(kind.meant_for)).select_related("deal")
    theirs = Q(meant__in=[owner for owner in owners if owner])
    if None in owners:
        theirs |= Q(meant=None)
    due: dict[int | None, list[Alert]] = defaultdict(list)
    locked = alerts.filter(theirs).select_for_update(of=("self",), no_key=True)
    for alert in locked.order_by("pk"):
        due[alert.meant].append(alert)
    return due


def _draft(kind: Kind, rule: Staleness, person: User, alerts: Iterable[Alert]) -> Draft:
    return Draft(
        type=kind.type,
        firm_id=rule.firm.pk,
        recipient=person,
        dedupe_key=f"{kind.key}:{person.pk}:{rule.today}",
        context=contents((alert.deal for alert in alerts), today=rule.today),
    )


def _count(kind: Kind, rule: Staleness, alerts: Iterable[int], now: datetime) -> None:
    for page in batches.batched(alerts):
        told_of = StaleDealAlert.objects.filter(pk__in=page)
        if kind is ESCALATION:
            told_of.update(escalated_on=rule.today, updated_at=now)
        else:
            told_of.update(
                reminder_count=F("reminder_count") + 1,
                last_reminded_on=rule.today,
                updated_at=now,
            )


def _announce(
    item: Item[Circle], kind: Kind, people: Sequence[User], deals: Sequence[Deal]
) -> None:
    about = f"{_some(len(deals), 'deal')}, {money.write_totals(deal.amount for deal in deals)}"
    who = ", ".join(map(str, people))
    if kind is ESCALATION:
        item.does(f"escalate {about}")
        item.tallies = [ESCALATED] * len(deals)
        item.says("", would=f"Would escalate to {who}: {about}")
    else:
        item.does(f"remind of {about}")
        item.tallies = [SENT] * len(people) + [REMINDED] * len(deals)
        item.says("", would=f"Would remind {who}: {about}")


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
