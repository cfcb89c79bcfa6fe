"""Why rent is invoiced, reminded of, or costs a late fee; and why not."""

from typing import Any

from django.db.models import Exists, QuerySet
from django.utils.translation import gettext_lazy as _

from apps.billing.explaining import COLLECTABLE, UNDISPUTED
from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.core.explaining import Explanation, Moment
from apps.leasing.models import Lease, LeaseQuerySet
from apps.leasing.services import terms
from apps.leasing.services.late_fees import unassessed, why_no_fee
from apps.leasing.services.milestones import Asked, Milestone
from apps.leasing.services.reminders import (
    channels_of,
    lists_at,
    milestone_of,
    open_near,
    told_of,
)
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
    """Return the open invoices near a milestone of which nobody has heard."""
    homes, asked = Scope.find().properties, _asked(moment)
    period = getattr(invoice, "rent_period", None)
    if period is None:
        lists = lists_at(homes)
        rent, manual = open_near(homes, today=moment.today, asked=asked, lists=lists)
        return manual if invoice.kind == Invoice.Kind.MANUAL else rent
    config = _terms_of(period.lease, moment).on(moment.today)
    lists = [(config.remind_days_before, config.remind_days_after)] if config else []
    rent, _manual = open_near(homes, today=moment.today, asked=asked, lists=lists)
    milestone = _milestone(invoice, moment)
    return rent.exclude(Exists(told_of(invoice, milestone))) if milestone else rent


def _asked(moment: Moment) -> Asked:
    return Asked.read(
        before=moment.argument("days_before", None), after=moment.argument("days_after", None)
    )


def _milestone(invoice: Invoice, moment: Moment) -> Milestone | None:
    lease, asked = invoice.rent_period.lease, _asked(moment)
    if invoice.due_date is None:
        return None
    known = _terms_of(lease, moment)
    return milestone_of(invoice, lease, known, today=moment.today, asked=asked)


def _no_reminder(invoice: Invoice, moment: Moment) -> str:
    is_rent = getattr(invoice, "rent_period", None) is not None
    if is_rent and _milestone(invoice, moment) is None:
        return str(_("none of the days on which renters are reminded has come"))
    return "" if channels_of(invoice.firm) else str(_("its firm sends no reminders"))


REMINDERS = Explanation(
    model=Invoice,
    selection=_reminded,
    sentences={
        "rent_period__lease__unit__property": _NO_RENT,
        "lease_id": _("its customer has no lease with a served firm"),
        **COLLECTABLE,
        **UNDISPUTED,
        "no notifications.notification": _("its renters have heard of this step"),
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
