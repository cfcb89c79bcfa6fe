"""Why rent is invoiced, reminded of, or costs a late fee; and why not."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from apps.billing.explaining import COLLECTABLE, UNDISPUTED
from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.core.explaining import Explanation, Moment
from apps.leasing.models import Lease, LeaseQuerySet
from apps.leasing.services import terms
from apps.leasing.services.late_fees import unassessed, why_no_fee
from apps.leasing.services.milestones import Asked
from apps.leasing.services.reminders import open_near, why_no_reminder
from apps.leasing.services.rent import billable, why_not_invoiced
from apps.leasing.services.rewards import rewardable
from apps.leasing.services.scope import Scope

_NO_RENT = _("it is no rent of a property of a served firm")


def _zone_of_invoice(invoice: Any) -> str:
    """Return the property's zone; of an invoice that is no rent, the firm's."""
    period = getattr(invoice, "rent_period", None)
    return str(period.lease.unit.property.timezone if period else invoice.firm.timezone)


def _terms_of(lease: Lease, moment: Moment) -> terms.Terms:
    """Return a lease's terms; one query, however many jobs ask."""
    if "terms" not in moment.known:
        moment.known["terms"] = terms.of_leases([lease])[lease.pk]
    known: terms.Terms = moment.known["terms"]
    return known


# ---- rent -------------------------------------------------------------------------------


def _invoiced(lease: Lease, moment: Moment) -> LeaseQuerySet:
    return billable(Scope.find().properties)


def _not_invoiced(lease: Lease, moment: Moment) -> str:
    return why_not_invoiced(lease, today=moment.today, clock=moment.clock)


RENT = Explanation(
    model=Lease,
    selection=_invoiced,
    sentences={
        "status": _("only active leases and those under notice owe rent; it is {value}"),
        "unit__property": _("its firm is suspended or closed"),
    },
    after=_not_invoiced,
    takes=_("The next run issues its invoice."),
    zone=lambda lease: str(lease.unit.property.timezone),
    loads=("firm", "unit__property"),
)


# ---- late fees --------------------------------------------------------------------------


def _late(invoice: Invoice, moment: Moment) -> "QuerySet[Invoice]":
    return unassessed(Scope.find().properties, moment.today)


def _no_fee(invoice: Invoice, moment: Moment) -> str:
    config = _terms_of(invoice.rent_period.lease, moment).on(moment.today)
    return why_no_fee(invoice, config, today=moment.today)


LATE_FEES = Explanation(
    model=Invoice,
    selection=_late,
    sentences={
        "rent_period__lease__unit__property": _NO_RENT,
        **COLLECTABLE,
        **UNDISPUTED,
        "due_date": _("it is due on {value} and not late yet"),
        "no leasing.latefeeassessment": _(
            "its first late fee has been decided; only a fee for each day can follow, where "
            "the terms say so"
        ),
    },
    after=_no_fee,
    takes=_("The next run adds a late fee."),
    zone=_zone_of_invoice,
    loads=("firm", "rent_period__lease__unit__property"),
)


# ---- reminders --------------------------------------------------------------------------


def _reminded(invoice: Invoice, moment: Moment) -> "QuerySet[Invoice]":
    asked = Asked.read(
        before=moment.argument("days_before", None), after=moment.argument("days_after", None)
    )
    rent, manual = open_near(Scope.find().properties, today=moment.today, asked=asked)
    return manual if invoice.kind == Invoice.Kind.MANUAL else rent


def _no_reminder(invoice: Invoice, moment: Moment) -> str:
    period = getattr(invoice, "rent_period", None)
    if period is None:
        return ""
    known = _terms_of(period.lease, moment)
    return why_no_reminder(invoice, period.lease, known, today=moment.today)


REMINDERS = Explanation(
    model=Invoice,
    selection=_reminded,
    sentences={
        "rent_period__lease__unit__property": _NO_RENT,
        "lease_id": _("its customer has no lease with a served firm"),
        **COLLECTABLE,
        **UNDISPUTED,
        "due_date__lte": _("it is due on {value}; the first reminder comes nearer to that"),
        "due_date__gte": _("it was due on {value}; the last reminder is long past"),
    },
    after=_no_reminder,
    takes=_("The next run reminds the renters who have not heard of this step."),
    zone=_zone_of_invoice,
    loads=("firm__settings", "rent_period__lease__unit__property"),
)


# ---- rewards ----------------------------------------------------------------------------


def _rewarded(contact: Contact, moment: Moment) -> "QuerySet[Contact]":
    return rewardable()


REWARDS = Explanation(
    model=Contact,
    selection=_rewarded,
    sentences={
        "id": _("nobody earns rewards but the first renter of a lease in force"),
        "erased_at": _("this person was erased"),
        "firm__is_active": _("the firm is suspended or closed"),
    },
    takes=_("The next run counts the months that were paid in time."),
)
