"""Evergreen's world: five properties, fifteen renters and the year they have had (spec E2).

The history is played by the services themselves, in the order of the days on which things
happened, so that it obeys the rules that the jobs rely on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from apps.billing.models import AccountCredit, BillingAccount, Invoice, InvoiceLine, Payment
from apps.billing.services import InvoiceDraft, LineDraft, issue_invoices, record_payment
from apps.contacts.models import Contact
from apps.core import days
from apps.core.days import DAY, Clock
from apps.core.demo import World
from apps.core.reports import Item
from apps.documents.models import Document
from apps.documents.services import request_signature, save_document, sign
from apps.firms.demo import add_person
from apps.firms.models import Firm, Membership, Role, User
from apps.leasing.models import (
    Lease,
    LeaseCharge,
    LeaseParty,
    Property,
    PropertyBillingConfig,
    RewardConfiguration,
    Unit,
)
from apps.leasing.services import terms
from apps.leasing.services.charging import Overdue, charge_late_fees
from apps.leasing.services.fees import INITIAL
from apps.leasing.services.rent import LeaseMonth, invoice_rent

_LEAD = {"early": 45, "at_once": 0}  # days between issue and due date, if not 10
_AGREEMENT = """Residential lease

{landlord} lets {home} to {renter} from {start}.
The rent is due on day {due_day} of each month.
Both parties have read this agreement and sign it electronically."""


@dataclass
class Tenancy:
    """A renter of the fixture with what was made for them."""

    facts: dict[str, Any]
    lease: Lease
    renter: Contact

    @property
    def zone(self) -> str:
        return self.lease.unit.property.timezone

    def months(self, clock: Clock) -> Iterator[LeaseMonth]:
        """The months that have been invoiced, oldest first."""
        this = days.first_of_month(self.lease.unit.property.today(clock))
        if not self.facts["months"]:
            yield LeaseMonth(self.lease, days.first_of_month(self.lease.start_date))
        for back in range(self.facts["months"], 0, -1):
            yield LeaseMonth(self.lease, days.add_months(this, -back))


@dataclass(frozen=True)
class Event:
    """Something that happened on a day, and how to make it happen."""

    on: date
    order: int  # invoices, then fees, then payments
    happen: Callable[[Clock], object]
    zone: str


def seed(world: World) -> None:
    """Make the properties, the leases and their history."""
    facts = world.fixture("leasing")
    firm = Firm.objects.get(slug=facts["firm"])
    landlord = Contact.objects.create(
        firm=firm, kind=Contact.Kind.ORGANISATION, **facts["landlord"]
    )
    _properties(world, firm, facts)
    tenancies = [_tenancy(world, firm, entry) for entry in facts["renters"]]
    world.count("renters", len(tenancies))
    world.count("leases", len(tenancies))
    _signatures(world, firm, landlord, tenancies)
    _renewals(world, firm, tenancies, facts["renewals"])
    _history(world, tenancies)
    _utilities(world, tenancies)
    _prepayments(world, tenancies)
    _rewards(world, firm, facts["rewards"])
    world.count("rent invoices", Invoice.objects.filter(firm=firm, kind="rent").count())
    world.count("payments", Payment.objects.filter(firm=firm).count())
    fees = InvoiceLine.objects.filter(firm=firm, kind=InvoiceLine.Kind.LATE_FEE)
    world.count("late fees", fees.count())


# ---- what stands --------------------------------------------------------------------------


def _properties(world: World, firm: Firm, facts: dict[str, Any]) -> None:
    in_repair = {tuple(pair) for pair in facts["maintenance_units"]}
    let = {(entry["property"], entry["unit"]) for entry in facts["renters"]}
    begins = days.add_months(days.first_of_month(firm.today(world.clock)), -24)
    for entry in facts["properties"]:
        labels, terms, _due = entry.pop("units"), entry.pop("terms"), entry.pop("due_day")
        home = Property.objects.create(firm=firm, **entry)
        PropertyBillingConfig.objects.create(
            firm=firm, property=home, effective_from=begins, **terms
        )
        Unit.objects.bulk_create(
            Unit(
                firm=firm,
                property=home,
                label=label,
                status=Unit.Status.OCCUPIED
                if (home.name, label) in let
                else Unit.Status.MAINTENANCE
                if (home.name, label) in in_repair
                else Unit.Status.VACANT,
            )
            for label in labels
        )
        world.count("units", len(labels))
    world.count("properties", len(facts["properties"]))


def _tenancy(world: World, firm: Firm, facts: dict[str, Any]) -> Tenancy:
    unit = Unit.objects.select_related("property").get(
        firm=firm, property__name=facts["property"], label=facts["unit"]
    )
    home = unit.property
    today = home.today(world.clock)
    moved_in = (
        today - timedelta(days=facts["moved_in_days_ago"])
        if "moved_in_days_ago" in facts
        else days.add_months(days.first_of_month(today), -facts["months"])
    )
    user = add_person(world, firm, {**facts, "roles": [Role.RENTER]})
    renter = Contact.objects.create(
        firm=firm,
        display_name=user.get_full_name(),
        first_name=user.first_name,
        last_name=user.last_name,
        email=user.email,
        email_verified_at=world.clock.now,
        timezone=home.timezone,
        user=user,
    )
    account = BillingAccount.objects.create(
        firm=firm,
        contact=renter,
        currency=home.currency,
        autopay_enabled=facts.get("autopay", False),
    )
    homes = world.fixture("leasing")["properties"]
    due_day = next(entry["due_day"] for entry in homes if entry["name"] == home.name)
    lease = Lease.objects.create(
        firm=firm,
        unit=unit,
        account=account,
        status=Lease.Status.ACTIVE,
        start_date=moved_in,
        rent_minor=facts["rent_minor"],
        currency=home.currency,
        due_day=due_day,
    )
    LeaseParty.objects.create(firm=firm, lease=lease, contact=renter)
    for charge in facts.get("charges", []):
        LeaseCharge.objects.create(firm=firm, lease=lease, starts_on=moved_in, **charge)
    return Tenancy(facts, lease, renter)


def _rewards(world: World, firm: Firm, entries: list[dict[str, Any]]) -> None:
    this = days.first_of_month(firm.today(world.clock))
    for entry in entries:
        starts = days.add_months(this, -entry.pop("starts_months_ago"))
        RewardConfiguration.objects.create(firm=firm, starts_on=starts, **entry)
    world.count("reward configurations", len(entries))


# ---- signatures ---------------------------------------------------------------------------


def _signatures(world: World, firm: Firm, landlord: Contact, tenancies: list[Tenancy]) -> None:
    owner = _owner(firm)
    for tenancy in tenancies:
        lease = tenancy.lease
        document = _agreement(firm, landlord, tenancy, title=f"Lease for {lease.unit}")
        signed = world.clock.now - timedelta(days=30 * tenancy.facts["months"] + 20)
        for signer in (tenancy.renter, landlord):
            request, _ = request_signature(
                document=document, signer=signer, requested_by=owner, now=signed
            )
            sign(request=request, name=str(signer), now=signed + timedelta(hours=2))
            world.count("signed requests", 1)
        lease.agreement = document
        lease.save(update_fields=["agreement"])


def _renewals(
    world: World, firm: Firm, tenancies: list[Tenancy], entries: list[dict[str, Any]]
) -> None:
    by_name = {tenancy.facts["username"]: tenancy for tenancy in tenancies}
    landlord = Contact.objects.get(firm=firm, kind=Contact.Kind.ORGANISATION)
    for entry in entries:
        tenancy = by_name[entry["username"]]
        title = f"Renewal for {tenancy.lease.unit}"
        request_signature(
            document=_agreement(firm, landlord, tenancy, title=title),
            signer=tenancy.renter,
            requested_by=_owner(firm),
            now=world.clock.now - timedelta(hours=entry["hours_ago"]),
        )
        world.count("pending renewal links", 1)


def _agreement(firm: Firm, landlord: Contact, tenancy: Tenancy, *, title: str) -> Document:
    lease = tenancy.lease
    text = _AGREEMENT.format(
        landlord=landlord,
        home=lease.unit,
        renter=tenancy.renter,
        start=lease.start_date,
        due_day=lease.due_day,
    )
    document = Document(firm=firm, title=title, text=text, owner=tenancy.renter)
    return save_document(document=document)


def _owner(firm: Firm) -> User:
    return Membership.objects.get(firm=firm, roles__role=Role.OWNER).user


# ---- the year -----------------------------------------------------------------------------


def _history(world: World, tenancies: list[Tenancy]) -> None:
    """Play what happened before today, day by day."""
    events = [event for tenancy in tenancies for event in _events(world, tenancy)]
    for event in sorted(events, key=lambda event: (event.on, event.order)):
        event.happen(Clock(now=_noon(event.on, event.zone)))


def _events(world: World, tenancy: Tenancy) -> Iterator[Event]:
    months = list(tenancy.months(world.clock))
    for index, month in enumerate(months):
        book = _Book(tenancy, month)
        lead = _LEAD.get(tenancy.facts["pays"], 10)
        yield Event(month.due - timedelta(days=lead), 0, book.issue, tenancy.zone)
        if tenancy.facts["pays"] == "late_with_fee":
            fee_day = month.due + timedelta(days=6)
            yield Event(fee_day, 1, book.late_fee, tenancy.zone)
        for on, percent in _instalments(world, tenancy, month, left=len(months) - index):
            yield Event(on, 2, book.payment(on, percent), tenancy.zone)


def _instalments(
    world: World, tenancy: Tenancy, month: LeaseMonth, *, left: int
) -> Iterator[tuple[date, int]]:
    """Yield (day, per cent of the balance at the first) as the renter pays a month.

    ``left`` is 1 for the newest month.
    """
    due, pays = month.due, tenancy.facts["pays"]
    if pays == "day_before":
        yield due - DAY, 100
    elif pays in {"autopay", "at_once"}:
        yield due, 100
    elif pays == "early":
        yield due - timedelta(days=world.dice.randint(31, 40)), 100
    elif pays == "late_with_fee":
        yield due + timedelta(days=world.dice.randint(8, 12)), 100
    elif pays == "instalments":
        yield due, 50
        if left == 1:
            yield due + timedelta(days=5), 10
            return
        yield due + timedelta(days=5), 30
        yield due + timedelta(days=10), 20
    elif pays == "on_time":
        yield due - timedelta(days=world.dice.randint(0, 3)), 100
    elif left > 3:  # not_the_last_three
        yield due, 100


class _Book:
    """One month of one lease as its events make it."""

    def __init__(self, tenancy: Tenancy, month: LeaseMonth) -> None:
        self.tenancy, self.month = tenancy, month
        self.invoice: Invoice | None = None

    def issue(self, clock: Clock) -> None:
        [self.invoice] = invoice_rent([self.month], clock=clock)

    def late_fee(self, clock: Clock) -> None:
        assert self.invoice is not None
        invoice, lease = Invoice.objects.get(pk=self.invoice.pk), self.tenancy.lease
        config = terms.effective([lease], clock=clock)[lease.pk]
        due, country = self.month.due, lease.firm.country
        late = Overdue(
            invoice,
            lease,
            clock.today(self.tenancy.zone),
            terms.grace_end(config, due_date=due, country=country),
            [(INITIAL, config)],
        )
        charge_late_fees([Item(late.subject, late, dry_run=False)], clock=clock)

    def payment(self, on: date, percent: int) -> Callable[[Clock], object]:
        def pay(clock: Clock) -> None:
            assert self.invoice is not None
            invoice = Invoice.objects.get(pk=self.invoice.pk)
            autopay = self.tenancy.facts["pays"] == "autopay"
            record_payment(
                account=self.tenancy.lease.account,
                amount_minor=invoice.total_minor * percent // 100,
                method=Payment.Method.CARD if autopay else Payment.Method.BANK,
                effective_on=on,
                now=clock.now,
                today=on,
                invoices=[invoice],
            )
            if autopay:
                Invoice.objects.filter(pk=invoice.pk).update(
                    autopay_status=Invoice.Autopay.SUCCEEDED, autopay_next_charge_at=None
                )

        return pay


def _utilities(world: World, tenancies: list[Tenancy]) -> None:
    for tenancy in tenancies:
        if "utility_due_in" not in tenancy.facts:
            continue
        today = tenancy.lease.unit.property.today(world.clock)
        due = today + timedelta(days=tenancy.facts["utility_due_in"])
        issued = due - timedelta(days=14)
        line = LineDraft(InvoiceLine.Kind.OTHER, "Electricity and water", 8_450)
        issue_invoices(
            [
                InvoiceDraft(
                    account=tenancy.lease.account,
                    kind=Invoice.Kind.MANUAL,
                    lines=[line],
                    issue_date=issued,
                    due_date=due,
                )
            ],
            now=_noon(issued, tenancy.zone),
        )
        world.count("utility invoices", 1)


def _prepayments(world: World, tenancies: list[Tenancy]) -> None:
    for tenancy in tenancies:
        if amount := tenancy.facts.get("prepaid_minor"):
            on = tenancy.lease.unit.property.today(world.clock) - timedelta(days=10)
            payment = record_payment(
                account=tenancy.lease.account,
                amount_minor=amount,
                method=Payment.Method.BANK,
                effective_on=on,
                now=_noon(on, tenancy.zone),
                today=on,
                note="Rent in advance",
            )
            assert payment.credits.filter(kind=AccountCredit.Kind.PREPAYMENT).exists()


def _noon(on: date, zone: str) -> datetime:
    return days.local_instant(on, time(12), zone)
