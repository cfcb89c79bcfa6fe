"""Payment reminders: which invoice, which milestone, whom, and how (spec D19)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypedDict

from django.db.models import Case, IntegerField, OuterRef, QuerySet, Subquery, TextChoices, When
from django_stubs_ext import WithAnnotations

from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.core import batches, days, money
from apps.core.days import Clock, zone
from apps.core.problems import Problem
from apps.core.reports import Item, Outcome, Report, Subject, block
from apps.firms.models import Firm, FirmSettings
from apps.leasing.messages import PAYMENT_REMINDER, due_in
from apps.leasing.models import Lease, Property, PropertyBillingConfig
from apps.leasing.services import terms
from apps.leasing.services.milestones import Asked, Milestone, Steps, furthest
from apps.leasing.services.parties import renters_of
from apps.leasing.services.scope import Scope
from apps.leasing.services.underway import Underway, under_way
from apps.notifications.models import Channel, Notification
from apps.notifications.services import Draft, Planned, notify, recipient_key

UPCOMING, OVERDUE = "upcoming", "overdue"  # tallies

Autopay = Invoice.Autopay
WILL_CHARGE = (Autopay.SCHEDULED, Autopay.PROCESSING, Autopay.RETRYING)


class ReminderReason(TextChoices):
    """Why a milestone is reached and nobody is reminded."""

    BANK_PAYMENT = "bank_payment", "a bank payment is under way"
    NOBODY = "nobody", "the lease has no renter"
    UNREACHABLE = "unreachable", "nobody can be reached"
    MEANWHILE = "meanwhile", "another run was first"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return self != ReminderReason.UNREACHABLE


@dataclass(frozen=True, slots=True)
class Reminder:
    """An invoice that has reached a milestone, and the renters who have not heard of it."""

    invoice: Invoice
    lease: Lease
    today: date
    milestone: Milestone
    renters: Sequence[Contact]
    supersedes: Sequence[str]  # earlier milestones that nobody was told of

    @property
    def subject(self) -> Subject:
        return Subject.of(self.invoice, part=self.milestone.name)


def send_payment_reminders(
    *,
    days_before: int | None = None,
    days_after: int | None = None,
    firm_id: int | None = None,
    at: str = "",
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Remind renters of open invoices before and after their due date.

    Usually 3 and 1 days before and 1, 7 and 30 days after, or as the lease's terms say; a
    missed day is caught up within the milestone's window, and each milestone is told once
    (the notification's key). ``days_before`` and ``days_after`` replace their list by one
    number of days. Takes rent and manual invoices of leases, not disputed and not on a
    payment plan; of leases that have ended, what is overdue. A bank payment under way that
    covers the balance is waited for. By e-mail, SMS and in-app, as the firm has chosen.
    """
    days.check_gate(at=at)
    asked = Asked.read(before=days_before, after=days_after)
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    scope = Scope.find(firm_id=firm_id)
    report = Report(dry_run=dry_run, heading="Sending payment reminders...", summary=_summary)
    scope.tell(report)
    for homes, today in scope.by_day(report, clock, at=at):
        report.attempt_each(
            _reached(report, homes, today=today, asked=asked),
            _remind,
            subject=lambda reminder: reminder.subject,
        )
    return report


# ---- which --------------------------------------------------------------------------------


def _reached(
    report: Report,
    homes: "QuerySet[Property]",
    *,
    today: date,
    asked: Asked,
) -> Iterator[Reminder]:
    """Yield the invoices that have reached a milestone which some renter has not heard of."""
    rent, manual = open_near(homes, today=today, asked=asked, lists=lists_at(homes))
    report.expect(rent.count() + manual.count())
    for page in batches.pages(rent):
        leases = {invoice.pk: invoice.rent_period.lease for invoice in page}
        yield from _page(report, page, leases, today=today, asked=asked)
    for page in batches.pages(manual):
        yield from _page(report, page, _leases_of(page), today=today, asked=asked)


def lists_at(homes: "QuerySet[Property]") -> "Iterable[tuple[str, str]]":
    """Return the lists of days that the terms of the properties' firms have; one query."""
    configs = PropertyBillingConfig.objects.filter(firm__in=homes.values("firm"))
    return configs.values_list("remind_days_before", "remind_days_after").distinct()


def open_near(
    homes: "QuerySet[Property]", *, today: date, asked: Asked, lists: Iterable[tuple[str, str]]
) -> "tuple[QuerySet[Invoice], QuerySet[WithAnnotations[Invoice, OfLease]]]":
    """Return the open invoices near a milestone: of rent, and manual ones.

    ``lists`` are the days before and after the due date as the terms in question have them.
    """
    most_before, most_after = furthest(lists, asked)
    open_ = (
        Invoice.objects.collectable()
        .undisputed(on=today)
        .filter(
            due_date__gte=today - timedelta(days=most_after),
            due_date__lte=today + timedelta(days=most_before),
        )
        .select_related("firm__settings")
    )
    return _rent(open_, homes), _manual(open_, homes)


def milestone_of(
    invoice: Invoice, lease: Lease, lease_terms: terms.Terms, *, today: date, asked: Asked
) -> Milestone | None:
    """Return the milestone that an open invoice of a lease has reached on a day, if any."""
    return _milestone(invoice, lease, _steps(lease_terms, today=today, asked=asked), today)


def told_of(invoice: Invoice, milestone: Milestone) -> "QuerySet[Notification]":
    """Return the messages that reminded somebody of an invoice's milestone."""
    return Notification.objects.filter(
        type=PAYMENT_REMINDER.name,
        subject_type=Invoice._meta.label_lower,
        subject_id=str(invoice.pk),
        dedupe_key=_key(invoice, milestone),
    )


def _key(invoice: Invoice, milestone: Milestone) -> str:
    return f"rent-reminder:{invoice.pk}:{milestone.name}"


def _rent(open_: "QuerySet[Invoice]", homes: "QuerySet[Property]") -> "QuerySet[Invoice]":
    return open_.filter(rent_period__lease__unit__property__in=homes).select_related(
        "rent_period__lease__unit__property"
    )


class OfLease(TypedDict):
    """What the selection adds to a manual invoice."""

    lease_id: int


def _manual(
    open_: "QuerySet[Invoice]", homes: "QuerySet[Property]"
) -> "QuerySet[WithAnnotations[Invoice, OfLease]]":
    """Return manual invoices to accounts with a lease: a living one, else the latest."""
    leases = (
        Lease.objects.filter(account=OuterRef("account"), status__in=_SIGNED)
        .order_by(
            Case(When(status__in=Lease.LIVING, then=0), default=1, output_field=IntegerField()),
            "-start_date",
            "-pk",
        )
        .values("pk")
    )
    return (
        open_.filter(kind=Invoice.Kind.MANUAL, rent_period=None)
        .annotate(lease_id=Subquery(leases[:1]))
        .filter(lease_id__in=Lease.objects.filter(unit__property__in=homes).values("pk"))
    )


_SIGNED = (*Lease.LIVING, Lease.Status.ENDED, Lease.Status.TERMINATED)


def _page(
    report: Report,
    page: Sequence[Invoice],
    leases: Mapping[int, Lease],
    *,
    today: date,
    asked: Asked,
) -> Iterator[Reminder]:
    known = terms.of_leases(list(leases.values()))
    renters = renters_of(lease.pk for lease in leases.values())
    told = _told(page)
    coming = under_way(page)
    for invoice in page:
        lease = leases[invoice.pk]
        try:
            steps = _steps(known[lease.pk], today=today, asked=asked)
        except Problem as problem:
            report.fail(invoice, problem)
            continue
        milestone = _milestone(invoice, lease, steps, today)
        if milestone is None or not channels_of(invoice.firm):
            continue
        heard = told[invoice.pk]
        unheard = [
            renter
            for renter in renters[lease.pk]
            if not _has_heard(heard[recipient_key(renter)], milestone, lease, today)
        ]
        if not renters[lease.pk]:
            words = f"{invoice}: its lease has no renter to remind"
            report.skip(invoice, ReminderReason.NOBODY, words)
        elif unheard and _is_coming(invoice, coming[invoice.pk]):
            words = f"{invoice}: a bank payment is under way, no reminder"
            report.skip(invoice, ReminderReason.BANK_PAYMENT, words)
        elif unheard:
            known_by_some = {one for names in heard.values() for one in names}
            supersedes = [
                one.name for one in steps.earlier(milestone) if one not in known_by_some
            ]
            yield Reminder(invoice, lease, today, milestone, unheard, supersedes)


def _leases_of(page: "Sequence[WithAnnotations[Invoice, OfLease]]") -> dict[int, Lease]:
    """Return the lease of each manual invoice, by invoice."""
    of_invoice = {invoice.pk: invoice.lease_id for invoice in page}
    leases = Lease.objects.select_related("unit__property").in_bulk(set(of_invoice.values()))
    return {invoice: leases[lease] for invoice, lease in of_invoice.items()}


def _told(page: Sequence[Invoice]) -> dict[int, dict[str, dict[Milestone, datetime]]]:
    """Return when who was told what: by invoice, recipient and milestone."""
    told: dict[int, dict[str, dict[Milestone, datetime]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    rows = Notification.objects.filter(
        type=PAYMENT_REMINDER.name,
        subject_type=Invoice._meta.label_lower,
        subject_id__in=[str(invoice.pk) for invoice in page],
    ).values_list("subject_id", "recipient_key", "dedupe_key", "created_at")
    for invoice, recipient, key, at in rows:
        milestone = Milestone.of(key.rpartition(":")[2])
        told[int(invoice)][recipient][milestone] = at
    return told


def _steps(known: terms.Terms, *, today: date, asked: Asked) -> Steps:
    return Steps(*terms.reminder_days(known.on(today)), asked)


def _milestone(invoice: Invoice, lease: Lease, steps: Steps, today: date) -> Milestone | None:
    """Return the milestone that an invoice has reached; of ended leases only overdue ones."""
    assert invoice.due_date is not None
    milestone = steps.reached((today - invoice.due_date).days)
    if milestone and milestone.distance <= 0 and lease.status not in Lease.LIVING:
        return None
    return milestone


def _has_heard(
    heard: Mapping[Milestone, datetime], milestone: Milestone, lease: Lease, today: date
) -> bool:
    """Tell whether somebody knows of this step or a more urgent one, or had another today."""
    here = zone(lease.unit.property.timezone)
    return any(
        known >= milestone or at.astimezone(here).date() == today for known, at in heard.items()
    )


def _is_coming(invoice: Invoice, coming: Sequence[Underway]) -> bool:
    return sum(one.amount_minor for one in coming) >= invoice.open_minor


def channels_of(firm: Firm) -> tuple[Channel, ...]:
    """Return the channels on which a firm reminds."""
    settings: FirmSettings = getattr(firm, "settings", None) or FirmSettings()
    wanted = {
        Channel.EMAIL: settings.reminders_by_email,
        Channel.SMS: settings.reminders_by_sms,
        Channel.IN_APP: settings.reminders_in_app,
    }
    return tuple(channel for channel, is_wanted in wanted.items() if is_wanted)


# ---- told -----------------------------------------------------------------------------------


def _remind(items: Sequence[Item[Reminder]]) -> None:
    """Put the reminders of a batch into the outbox."""
    planned: dict[int, list[Planned]] = defaultdict(list)
    drafts = [draft for item in items for draft in _drafts(item.thing)]
    for one in notify(drafts):
        assert one.draft.about is not None
        planned[one.draft.about.pk].append(one)
    for item in items:
        _announce(item, planned[item.thing.invoice.pk])


def _drafts(reminder: Reminder) -> Iterator[Draft]:
    invoice = reminder.invoice
    context = {
        "number": invoice.number,
        "home": str(reminder.lease.unit),
        "balance": money.write_grouped(invoice.balance),
        "due": str(invoice.due_date),
        "days": -_overdue(reminder),
        "charge_on": _charge_on(reminder),
        "on": str(reminder.today),
        "supersedes": list(reminder.supersedes),
    }
    for renter in reminder.renters:
        yield Draft(
            type=PAYMENT_REMINDER,
            firm_id=invoice.firm_id,
            recipient=renter,
            dedupe_key=_key(invoice, reminder.milestone),
            about=invoice,
            context=context,
            channels=channels_of(invoice.firm),
        )


def _charge_on(reminder: Reminder) -> str:
    """Return the ISO date on which a card is going to be charged, before the due date only."""
    invoice = reminder.invoice
    if _overdue(reminder) > 0 or not invoice.autopay_opt_in:
        return ""
    if invoice.autopay_status not in WILL_CHARGE:
        return ""
    day = invoice.due_date
    assert day is not None
    if at := invoice.autopay_next_charge_at:
        day = at.astimezone(zone(reminder.lease.unit.property.timezone)).date()
    return str(max(day, reminder.today))


def _overdue(reminder: Reminder) -> int:
    assert reminder.invoice.due_date is not None
    return (reminder.today - reminder.invoice.due_date).days


def _announce(item: Item[Reminder], planned: Sequence[Planned]) -> None:
    reminder = item.thing
    start = f"{reminder.invoice}: {due_in(-_overdue(reminder))}"
    if not planned:
        item.skip(ReminderReason.MEANWHILE)
        return
    used = {channel for one in planned for channel in one.channels}
    if not used:
        words = f"{start}, nobody can be reached (no address)"
        item.decline(ReminderReason.UNREACHABLE, words)
        return
    # In-app is where the history is kept; it is named when there is nothing else.
    channels = [one.value for one in Channel if one in used - {Channel.IN_APP}]
    how = ", ".join(channels or [Channel.IN_APP.value])
    tally = OVERDUE if _overdue(reminder) > 0 else UPCOMING
    item.does(f"remind {reminder.milestone.name} ({how})", tally=tally)
    item.says(f"{start}, reminder sent ({how})", would=f"{start}, would send reminder ({how})")


def _summary(report: Report) -> list[str]:
    return block(
        ("Upcoming reminders", report.tallies[UPCOMING]),
        ("Overdue reminders", report.tallies[OVERDUE]),
        ("Skipped", report.skipped + report.counts[Outcome.DECLINED]),
        ("Errors", report.failed),
    )
