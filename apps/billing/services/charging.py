"""Collect open invoices from stored cards, each exactly once, whatever dies when (spec D2).

A charge takes three steps (spec A5.4): a transaction claims the invoice and writes the
attempt down with its idempotency key; the gateway is asked outside any transaction; another
transaction records the answer. Attempts that a crash left without an answer are resolved
before anything new is charged.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from django.db import transaction
from django.db.models import Max, QuerySet, TextChoices
from django.db.models.functions import Now
from django.utils import timezone

from apps.billing.models import Invoice, InvoiceQuerySet, PaymentAttempt, PaymentMethod
from apps.billing.services.cards import usable_cards
from apps.billing.services.gateways import PROVIDER, payments_for
from apps.billing.services.notices import tell_no_card
from apps.billing.services.resolving import resolve, unanswered
from apps.billing.services.till import CHARGED, UNDER_WAY, Asked, Till
from apps.core import batches, money
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Item, Outcome, Report, Subject, block
from apps.firms.models import Firm
from apps.firms.services import find_firm, why_not_served
from apps.integrations.payments import Refused
from apps.integrations.payments.amounts import minimum, to_gateway
from apps.webhooks.models import GatewayAccount
from apps.webhooks.services import accounts_by_firm

BATCH = 100  # claimed in one transaction; the most that a crash leaves to be resolved

Autopay = Invoice.Autopay


class ChargeReason(TextChoices):
    """Why an invoice that is due for autopay is not charged now."""

    NO_CARD = "no_card", "No valid payment method"
    BELOW_MINIMUM = "below_minimum", "Below minimum charge amount"
    ODD_AMOUNT = "odd_amount", "The gateway cannot charge this amount"
    NO_GATEWAY = "no_gateway", "The firm has no usable gateway account"
    CLOSED = "closed", "The gateway did not let us in"
    MEANWHILE = "meanwhile", "Changed meanwhile"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return self in {ChargeReason.NO_CARD, ChargeReason.BELOW_MINIMUM}


@dataclass(slots=True)
class Due:
    """An invoice to be charged, and the attempt once it is claimed."""

    invoice: Invoice
    attempt: PaymentAttempt | None = None


def process_recurring_charges(
    *, firm_id: int | None = None, dry_run: bool = False, as_of: str = ""
) -> Report:
    """Charge the stored cards of customers who pay their invoices automatically.

    Which invoices: ``Invoice.objects.due_for_autopay``, of trial and active firms with a
    usable gateway account; it never creates one. Charges of one firm run
    ``CHARGES_AT_ONCE`` at a time, and no transaction is open meanwhile. Safe to repeat and to
    run twice at once: an invoice has one open attempt (a unique constraint), and a repeated
    request carries the same idempotency key. Customers get receipts and failure notices.
    """
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    firm = find_firm(firm_id) if firm_id is not None else None
    report = Report(dry_run=dry_run, heading="Processing autopay charges...", summary=_summary)
    if firm is not None and (left_out := why_not_served(firm)):
        report.says(left_out)
    for firms in batches.pages(_firms_with_work(clock, only=firm)):
        accounts = accounts_by_firm(provider=PROVIDER, firm_ids=[one.pk for one in firms])
        for one in firms:
            _serve(one, accounts.get(one.pk), clock, report)
    return report


def _firms_with_work(clock: Clock, *, only: Firm | None) -> "QuerySet[Firm]":
    """Return the firms with something to resolve, also suspended ones, or to charge."""
    to_charge = Firm.objects.filter(pk__in=_due(clock).values("firm"))
    to_resolve = Firm.objects.filter(pk__in=unanswered(clock).values("firm"))
    firms = to_charge | to_resolve
    return firms.filter(pk=only.pk) if only else firms


def _due(clock: Clock) -> InvoiceQuerySet:
    return Invoice.objects.due_for_autopay(now=clock.now).filter(firm__is_active=True)


def _free(due: InvoiceQuerySet) -> InvoiceQuerySet:
    return due.exclude(attempts__status__in=PaymentAttempt.OPEN)


def chargeable(clock: Clock) -> InvoiceQuerySet:
    """Return the invoices that a run at this moment takes: due, and no charge under way."""
    return _free(_due(clock))


def _serve(firm: Firm, account: GatewayAccount | None, clock: Clock, report: Report) -> None:
    """Resolve what is open and charge what is due for one firm; its trouble stays its own."""
    if account is None:
        report.skip(firm, ChargeReason.NO_GATEWAY)
        return
    try:
        with closing(payments_for(account)) as payments:
            till = Till(firm, payments, clock, report)
            resolve(till)
            if firm.is_active and not till.closed:
                _charge(till)
            if till.trouble:
                raise till.trouble
    except Problem as problem:
        report.fail(firm, problem)


def _charge(till: Till) -> None:
    due = Invoice.objects.due_for_autopay(now=till.clock.now).filter(firm=till.firm)
    till.report.expect(due.count())
    till.report.attempt_each(
        _until_closed(till, due),
        partial(_claim_all, till),
        subject=lambda one: Subject.of(one.invoice),
        size=BATCH,
        then=partial(_ask_all, till),
    )


def _until_closed(till: Till, due: "QuerySet[Invoice]") -> Iterator[Due]:
    for invoice in batches.by_key(due, size=BATCH):
        if till.closed:
            return
        yield Due(invoice)


# ---- step 1: claim ------------------------------------------------------------------------


def _claim_all(till: Till, items: Sequence[Item[Due]]) -> None:
    """Claim the invoices of a batch that can be charged, and write their attempts down."""
    locked = _lock(till, [item.thing.invoice.pk for item in items])
    cards = usable_cards({invoice.account_id for invoice in locked.values()})
    claimed: list[tuple[Item[Due], Invoice, PaymentMethod]] = []
    without_card = []
    for item in items:
        invoice = locked.get(item.thing.invoice.pk)
        if invoice is None:
            item.skip(ChargeReason.MEANWHILE)
            continue
        card = cards.get(invoice.account_id)
        if card is None or not invoice.account.gateway_customer:
            without_card.append(invoice)
            _skip(item, ChargeReason.NO_CARD)
        elif reason := why_not_chargeable(invoice):
            _skip(item, reason)
        else:
            claimed.append((item, invoice, card))
    tell_no_card(without_card)
    attempts = _write_down([(invoice, card) for _, invoice, card in claimed], till)
    for (item, invoice, _card), attempt in zip(claimed, attempts, strict=True):
        item.thing.attempt = attempt
        item.does("charge", invoice.balance, tally=CHARGED)
        words = f"charge invoice {invoice.number} for {money.write(invoice.balance)}"
        item.says("", would=f"Would {words}", bullet="•")


def _lock(till: Till, pks: Sequence[int]) -> dict[int, Invoice]:
    """Lock the invoices that are still due, until the claim is committed."""
    due = Invoice.objects.due_for_autopay(now=till.clock.now).filter(pk__in=pks)
    rows = _free(due).select_related("account__contact").order_by("pk")
    return {row.pk: row for row in rows.select_for_update(of=("self",), no_key=True)}


def why_not_chargeable(invoice: Invoice) -> ChargeReason | None:
    """Return why the gateway would not take an amount, if it would not (spec A3.3)."""
    try:
        to_gateway(invoice.open_minor, invoice.currency)
    except Refused:
        return ChargeReason.ODD_AMOUNT
    least = minimum(invoice.currency)
    too_small = least is not None and invoice.open_minor < least
    return ChargeReason.BELOW_MINIMUM if too_small else None


def _write_down(
    claimed: Sequence[tuple[Invoice, PaymentMethod]], till: Till
) -> list[PaymentAttempt]:
    """Write the attempts of a batch and mark their invoices; three statements."""
    requested_at = timezone.now()  # not the run's: keys are forgotten 24 hours after this
    pks = [invoice.pk for invoice, _ in claimed]
    made = PaymentAttempt.objects.filter(invoice__in=pks).values("invoice")
    ordinals = dict(made.annotate(last=Max("ordinal")).values_list("invoice", "last"))
    attempts = PaymentAttempt.objects.bulk_create(
        PaymentAttempt(
            firm_id=invoice.firm_id,
            invoice=invoice,
            payment_method=card,
            ordinal=ordinals.get(invoice.pk, 0) + 1,
            idempotency_key=f"autopay-{uuid4()}",
            amount_minor=invoice.open_minor,
            currency=invoice.currency,
            requested_at=requested_at,
            autopay_before=invoice.autopay_status,
        )
        for invoice, card in claimed
    )
    Invoice.objects.filter(pk__in=pks).update(
        autopay_status=Autopay.PROCESSING, updated_at=till.clock.now
    )
    return attempts


def _skip(item: Item[Due], reason: ChargeReason) -> None:
    item.skip(reason, f"Skipped {item.subject.label}: {reason.label}")


# ---- steps 2 and 3: ask, record -----------------------------------------------------------


def _ask_all(till: Till, items: Sequence[Item[Due]]) -> None:
    attempts = [item.thing.attempt for item in items if item.thing.attempt]
    if not till.opens():
        _unclaim(attempts)
        for item in items:
            item.skip(ChargeReason.CLOSED)
        return
    till.ask_all(
        [
            Asked(
                item,
                attempt,
                partial(till.payments.charge, till.request_for(attempt)),
                is_first=True,
            )
            for item, attempt in zip(items, attempts, strict=True)
        ]
    )


def _unclaim(attempts: Sequence[PaymentAttempt]) -> None:
    """Take claims back of which the gateway has not heard: as if they had never been."""
    with transaction.atomic(durable=True):
        PaymentAttempt.objects.filter(pk__in=[one.pk for one in attempts]).delete()
        for before in {one.autopay_before for one in attempts}:
            Invoice.objects.filter(
                pk__in=[one.invoice_id for one in attempts if one.autopay_before == before],
                autopay_status=Autopay.PROCESSING,
            ).update(autopay_status=before, updated_at=Now())


def _summary(report: Report) -> list[str]:
    charged = report.worded("Invoices charged", would="Invoices to charge")
    amount = report.worded("Total amount charged", would="Total amount")
    figures: list[tuple[str, object]] = [
        (charged, report.tallies[CHARGED]),
        (amount, money.write_totals(report.money)),
    ]
    if declines := report.worded("Failed charges", would=""):
        figures.append((declines, report.counts[Outcome.DECLINED]))
    if report.tallies[UNDER_WAY]:
        figures.append(("Under way at the bank", report.tallies[UNDER_WAY]))
    if report.failed:
        figures.append(("Errors", report.failed))
    return block(*figures)
