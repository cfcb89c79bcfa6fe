"""Does the ledger add up? What must be true of every row, asked over all of them."""

from collections.abc import Iterator
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    F,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from apps.billing.models import (
    AccountCredit,
    BillingAccount,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentAllocation,
    Refund,
)
from apps.billing.services.credits import ON_INVOICE

Status = Payment.Status

NOTHING = Value(0, BigIntegerField())


def find_inconsistencies() -> list[str]:
    """Return one sentence for every row whose figures are not what its parts add up to.

    Totals are sums of lines, paid is the sum of allocations, credited is what stands of
    credit, an account's credit is the sum of its movements, a payment covers, became credit
    or was given back, and a child's firm is its parent's (spec A1.2). A fixed number of
    statements; made for tests and nightly checks.
    """
    found = []
    for words, rows in _questions():
        found += [f"{row._meta.label_lower} {row.pk}: {words}" for row in rows.order_by("pk")]
    return found


def _questions() -> Iterator[tuple[str, "QuerySet[Any]"]]:
    yield from _invoices()
    yield from _accounts()
    yield from _payments()
    yield from _families()


def _invoices() -> Iterator[tuple[str, "QuerySet[Any]"]]:
    of_invoice = {"invoice": OuterRef("pk")}
    lines = InvoiceLine.objects.filter(**of_invoice)
    tax = lines.filter(kind=InvoiceLine.Kind.TAX)
    fees = lines.filter(kind=InvoiceLine.Kind.LATE_FEE)
    allocations = PaymentAllocation.objects.filter(**of_invoice)
    credited = AccountCredit.objects.filter(ON_INVOICE, **of_invoice)
    for words, figure, parts in (
        ("total is not the sum of its lines", "total_minor", lines),
        ("tax is not the sum of its tax lines", "tax_minor", tax),
        ("late fees are not the sum of its fee lines", "late_fees_minor", fees),
        ("paid is not the sum of its allocations", "paid_minor", allocations),
    ):
        summed = Invoice.objects.annotate(parts=_sum(parts, by="invoice"))
        yield words, summed.exclude(parts=F(figure))
    used = Invoice.objects.annotate(used=_sum(credited, by="invoice"))
    yield "credited is not the credit used for it", used.exclude(used=0 - F("credited_minor"))
    added = Invoice.objects.exclude(total_minor=F("subtotal_minor") + F("tax_minor"))
    yield "total is not subtotal and tax", added
    paid = Invoice.objects.filter(status=Invoice.Status.PAID)
    yield "paid, but something is owed", paid.exclude(balance_minor=0)
    still_open = Invoice.objects.filter(status__in=Invoice.COLLECTABLE)
    yield "open, but nothing is owed", still_open.filter(balance_minor=0)


def _accounts() -> Iterator[tuple[str, "QuerySet[Any]"]]:
    movements = AccountCredit.objects.filter(account=OuterRef("pk"))
    accounts = BillingAccount.objects.annotate(parts=_sum(movements, by="account"))
    yield "credit is not the sum of its movements", accounts.exclude(parts=F("credit_minor"))


def _payments() -> Iterator[tuple[str, "QuerySet[Any]"]]:
    covers = _sum(PaymentAllocation.objects.filter(payment=OuterRef("pk")), by="payment")
    became = _sum(AccountCredit.objects.filter(payment=OuterRef("pk")), by="payment")
    payments = Payment.objects.annotate(parts=covers + became)
    # How much of it may be in the ledger, by status: at least, at most.
    least = Case(When(status=Status.SUCCEEDED, then=F("amount_minor")), default=NOTHING)
    most = Case(
        When(status__in=[Status.PENDING, Status.FAILED, Status.REFUNDED], then=NOTHING),
        default=F("amount_minor"),
    )
    yield (
        "what it covers and what became credit do not fit its status",
        payments.exclude(parts__gte=least, parts__lte=most),
    )
    refunds = _sum(Refund.objects.filter(payment=OuterRef("pk")), by="payment")
    touched = payments.filter(
        status__in=[Status.PARTIALLY_REFUNDED, Status.REFUNDED, Status.DISPUTED]
    )
    yield (
        "what is missing of it is not the sum of its refunds",
        touched.annotate(back=refunds).exclude(amount_minor=F("parts") + F("back")),
    )


def _families() -> Iterator[tuple[str, "QuerySet[Any]"]]:
    """The firm, the account and the currency are the parent's."""
    families: list[tuple[type[Model], list[str]]] = [
        (BillingAccount, ["contact"]),
        (Invoice, ["account"]),
        (InvoiceLine, ["invoice"]),
        (Payment, ["account"]),
        (PaymentAllocation, ["payment", "invoice"]),
        (AccountCredit, ["account", "payment", "invoice"]),
        (Refund, ["payment"]),
    ]
    for model, parents in families:
        for parent in parents:
            yield f"firm is not its {parent}'s", _unlike(model, parent, "firm")
    for of_account in (Invoice, Payment, AccountCredit):
        yield "currency is not its account's", _unlike(of_account, "account", "currency")
    for parent in ("payment", "invoice"):
        yield f"account is not its {parent}'s", _unlike(AccountCredit, parent, "account")
    crossed = PaymentAllocation.objects.filter(~Q(payment__account=F("invoice__account")))
    yield "payment and invoice are of different accounts", crossed


def _unlike(model: type[Model], parent: str, field: str) -> "QuerySet[Any]":
    """Return the rows that have a parent and differ from it in a field."""
    rows = model._default_manager.filter(**{f"{parent}__isnull": False})
    return rows.filter(~Q(**{field: F(f"{parent}__{field}")}))


def _sum(rows: "QuerySet[Any]", *, by: str) -> Coalesce:
    sums = rows.order_by().values(by).annotate(added=Sum("amount_minor")).values("added")
    return Coalesce(Subquery(sums), NOTHING)
