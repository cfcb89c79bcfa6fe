"""What the ledger holds about people: what the law has kept, and how they pay."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from apps.billing.models import (
    AccountCredit,
    BillingAccount,
    Invoice,
    InvoiceLine,
    LedgerDay,
    NumberSequence,
    Payment,
    PaymentAllocation,
    PaymentAttempt,
    PaymentMethod,
    Refund,
    ViewState,
)
from apps.billing.services.addressees import write_down_addressee
from apps.billing.services.forgetting import delete_gateway_customer, refresh_ledger_views
from apps.core import money
from apps.core.personal import Basis, Blocker, Fate, Holding, People, Step, by_contact

STRIPE_CUSTOMER = "stripe_customer"


def _gateway_customers(accounts: QuerySet[Any]) -> Iterator[Step]:
    """Yield what the gateway is to forget: its customer, with the cards it stores of them."""
    known = accounts.exclude(gateway_customer="").order_by("pk")
    for firm_id, customer in known.values_list("firm", "gateway_customer"):
        yield Step(STRIPE_CUSTOMER, f"{firm_id}:{customer}")


HOLDINGS = (
    # ---- payments -----------------------------------------------------------------------
    Holding(
        Refund,
        category="payments",
        of=by_contact("payment__account__contact"),
        basis=Basis.OBSERVED,
        exports=("amount_minor", "effective_on"),
        currency="payment__currency",
        fate=Fate.RETAIN,
        since="effective_on",
    ),
    Holding(
        PaymentAllocation,
        category="payments",
        of=by_contact("payment__account__contact"),
        basis=Basis.OBSERVED,
        exports=("invoice__number", "amount_minor", "created_at"),
        currency="payment__currency",
        fate=Fate.RETAIN,
        since="payment__effective_on",
    ),
    Holding(
        AccountCredit,
        category="credits",
        of=by_contact("account__contact"),
        basis=Basis.DERIVED,
        exports=(
            *("kind", "amount_minor", "currency", "effective_on", "invoice__number"),
            *("note", "created_at"),
        ),
        fate=Fate.RETAIN,
        becomes={"note": ""},
        since="effective_on",
        told=("note",),
    ),
    Holding(
        Payment,
        category="payments",
        of=by_contact("account__contact"),
        basis=Basis.OBSERVED,
        exports=(
            *("amount_minor", "currency", "method", "status", "gateway", "gateway_ref"),
            *("effective_on", "initiated_at", "settled_at", "note"),
        ),
        fate=Fate.RETAIN,
        becomes={"gateway_ref": "", "note": ""},
        since="effective_on",
        told=("note",),
    ),
    Holding(
        PaymentAttempt,
        category="payments",
        of=by_contact("invoice__account__contact"),
        basis=Basis.OBSERVED,
        exports=(
            *("invoice__number", "ordinal", "amount_minor", "currency", "status"),
            *("failure_class", "decline_code", "gateway_ref", "requested_at", "resolved_at"),
        ),
        fate=Fate.RETAIN,
        becomes={"gateway_ref": ""},
        since="requested_at",
        kept_with="invoice",
        plain=("idempotency_key",),
    ),
    # ---- invoices: their numbers, lines and totals stay what they are -------------------
    Holding(
        InvoiceLine,
        category="invoices",
        of=by_contact("invoice__account__contact"),
        basis=Basis.DERIVED,
        exports=(
            *("invoice__number", "kind", "description", "quantity", "unit_minor"),
            *("amount_minor", "period_start", "period_end"),
        ),
        currency="invoice__currency",
        fate=Fate.RETAIN,
        becomes={"description": "erased"},
        since="invoice__issue_date",
        retains=~Q(invoice__status=Invoice.Status.DRAFT),
        kept_with="invoice",
    ),
    Holding(
        Invoice,
        category="invoices",
        of=by_contact("account__contact"),
        basis=Basis.DERIVED,
        exports=(
            *("number", "kind", "period_start", "period_end", "currency"),
            *("subtotal_minor", "tax_minor", "total_minor", "late_fees_minor"),
            *("paid_minor", "credited_minor", "balance_minor", "status", "issue_date"),
            *("due_date", "contractual_due_date", "sent_at", "paid_at", "closed_on"),
            *("autopay_opt_in", "autopay_status", "autopay_next_charge_at"),
        ),
        fate=Fate.RETAIN,
        becomes={"billed_to": ""},
        since="issue_date",
        retains=~Q(status=Invoice.Status.DRAFT),
        keeps=write_down_addressee,
    ),
    # ---- how they pay -------------------------------------------------------------------
    Holding(
        PaymentMethod,
        category="payment methods",
        of=by_contact("account__contact"),
        exports=(
            *("provider", "brand", "last4", "exp_month", "exp_year", "status"),
            *("invalid_reason", "created_at"),
        ),
        fate=Fate.ANONYMISE,
        becomes={
            "provider_ref": lambda key: f"erased-{key}",
            "brand": "",
            "last4": "",
            "exp_month": None,
            "exp_year": None,
            "status": PaymentMethod.Status.DETACHED,
            "invalid_reason": "",
        },
        ids=("provider_ref",),
        secret=("provider_ref",),
    ),
    Holding(
        BillingAccount,
        category="billing accounts",
        of=by_contact("contact"),
        exports=(
            *("currency", "credit_minor", "autopay_enabled", "autopay_timing"),
            *("gateway_customer", "created_at"),
        ),
        fate=Fate.ANONYMISE,
        becomes={
            "autopay_enabled": False,
            "default_payment_method": None,
            "gateway_customer": "",
        },
        ids=("gateway_customer",),
        outside=_gateway_customers,
    ),
    # ---- nobody's -----------------------------------------------------------------------
    Holding(NumberSequence, plain=("series",)),
    Holding(LedgerDay),
    Holding(ViewState, firm="", plain=("name", "last_error")),
)


# ---- what has to be settled before somebody can be erased -------------------------------


def unsettled(people: People, firm_id: int) -> Iterator[str]:
    """Yield what is owed on either side, disputed or under way."""
    accounts = BillingAccount.objects.filter(firm=firm_id, contact__in=people.contacts)
    invoices = Invoice.objects.filter(account__in=accounts).order_by("pk")
    payments = Payment.objects.filter(account__in=accounts).order_by("pk")
    for invoice in invoices.collectable():
        yield f"{invoice} is still open ({money.write(invoice.balance)})"
    for invoice in invoices.filter(in_dispute=True):
        yield f"{invoice} is in dispute"
    for payment in payments.filter(status=Payment.Status.DISPUTED):
        yield f"the payment of {payment} is in dispute"
    for payment in payments.filter(status=Payment.Status.PENDING):
        yield f"the payment of {payment} is under way"
    under_way = PaymentAttempt.objects.filter(status__in=PaymentAttempt.OPEN)
    for attempt in under_way.filter(invoice__account__in=accounts).select_related("invoice"):
        yield f"{attempt} is under way"
    for account in accounts.filter(credit_minor__gt=0).order_by("pk"):
        yield f"credit of {money.write(account.credit)} has not been given back"


BLOCKERS: tuple[Blocker, ...] = (unsettled,)

OUTSIDE = {
    STRIPE_CUSTOMER: delete_gateway_customer,
    "ledger_views": refresh_ledger_views,
}
