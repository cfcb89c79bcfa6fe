"""Why an invoice is charged or marked by itself, and why not."""

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from apps.billing.models import Invoice, InvoiceQuerySet
from apps.billing.services.cards import chargeable_cards
from apps.billing.services.charging import chargeable, why_not_chargeable
from apps.billing.services.gateways import PROVIDER
from apps.billing.services.overdue import of_firm_date
from apps.billing.services.statuses import newly_overdue
from apps.core.conditions import Sentences
from apps.core.explaining import Explanation, Moment
from apps.webhooks.services import usable_accounts

COLLECTABLE: Sentences = {
    "status": _("only sent, partly paid and overdue invoices are owed; it is {value}"),
    "status=draft": _("it is a draft; it has not been issued yet"),
    "status=paid": _("it is paid"),
    "status=void": _("it is void"),
    "status=written_off": _("it was written off"),
    "balance_minor": _("nothing is owed on it any more"),
}
UNDISPUTED: Sentences = {
    "in_dispute": _("the customer disputes it"),
    "dunning_paused_until": _("it is on a payment plan until {value}"),
}


def _charged(invoice: Invoice, moment: Moment) -> InvoiceQuerySet:
    """Return what is charged: what the run takes, with a gateway account and a card."""
    account, card = OuterRef("account"), chargeable_cards()
    return (
        chargeable(moment.clock)
        .filter(
            Exists(usable_accounts(PROVIDER).filter(firm=OuterRef("firm"))),
            Exists(card.filter(account=account)),
        )
        .exclude(account__gateway_customer="")
    )


def _amount(invoice: Invoice, moment: Moment) -> str:
    reason = why_not_chargeable(invoice)
    return str(reason.label) if reason else ""


CHARGES = Explanation(
    model=Invoice,
    selection=_charged,
    sentences={
        **COLLECTABLE,
        "in_dispute": UNDISPUTED["in_dispute"],
        "autopay_opt_in": _("autopay is switched off for it"),
        "autopay_next_charge_at": _("its next charge is not before {value}"),
        "autopay_status": _("autopay has come to an end: {value}"),
        "autopay_status=processing": _("a charge is under way"),
        "autopay_status=needs_action": _("autopay waits for the customer to authenticate"),
        "autopay_status=failed": _("autopay has given up after too many refused charges"),
        "firm__is_active": _("the firm is suspended or closed; its customers are not charged"),
        "no billing.paymentattempt": _("a charge is under way, or its outcome is unknown"),
        "webhooks.gatewayaccount": _("the firm has no usable gateway account"),
        "billing.paymentmethod": _("the customer has no card that can be charged"),
        "account__gateway_customer": _("the gateway does not know the customer yet"),
    },
    after=_amount,
    takes=_("The next run charges the stored card."),
    loads=("firm", "account__contact"),
)


def _marked(invoice: Invoice, moment: Moment) -> InvoiceQuerySet:
    return newly_overdue(of_firm_date(), on=moment.today)


OVERDUE = Explanation(
    model=Invoice,
    selection=_marked,
    sentences={
        **{key.replace("status", "status__in"): said for key, said in COLLECTABLE.items()},
        "status__exact": _("it is marked as overdue already"),
        "kind": _("rent goes by the property's date; the leasing jobs mark it"),
        "due_date": _("it is due on {value}; it is overdue from the day after that"),
    },
    takes=_("The next run marks it as overdue."),
)
