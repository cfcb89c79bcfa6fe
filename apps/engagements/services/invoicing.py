"""The invoice for a period: its lines, its dates, how it is collected, and who is told."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from apps.billing.models import BillingAccount, Invoice, InvoiceLine, PaymentMethod
from apps.billing.services import InvoiceDraft, LineDraft, issue_invoices
from apps.core import bulk, days, money
from apps.core.problems import Problem
from apps.engagements.messages import PACKAGE_INVOICE_ISSUED, write_days
from apps.engagements.models import Engagement, EngagementPeriod
from apps.engagements.services.periods import Period
from apps.firms.models import Firm, FirmSettings
from apps.notifications.services import Draft, notify


@dataclass(frozen=True, slots=True)
class Desk:
    """A firm on one of its days, as its invoices need it."""

    firm: Firm
    today: date  # in the firm's zone
    cards: Collection[int]  # accounts that have a card which can be charged

    @property
    def settings(self) -> FirmSettings:
        known: FirmSettings | None = getattr(self.firm, "settings", None)
        return known or FirmSettings(firm=self.firm)


@dataclass(frozen=True, slots=True)
class Fee:
    """A period of an engagement and the invoice for it."""

    engagement: Engagement
    period: Period
    draft: InvoiceDraft


def accounts_with_card(accounts: Iterable[int]) -> set[int]:
    """Return which of these accounts have a card that can be charged. One query."""
    cards = PaymentMethod.objects.filter(
        account__in=set(accounts), status=PaymentMethod.Status.ACTIVE
    )
    return set(cards.values_list("account_id", flat=True))


def draft_invoice(
    engagement: Engagement,
    *,
    start: date,
    end: date,
    fee_minor: int,
    amount_minor: int,
    desk: Desk,
) -> InvoiceDraft:
    """Return the invoice for ``[start, end)``: a line for the fee and one for its tax.

    ``amount_minor`` is what this period costs of the whole fee; both are in minor units of
    the engagement's currency. Raises ``Problem`` when its account is in another.
    """
    account = engagement.account
    if engagement.currency != account.currency:
        raise Problem(
            f"the engagement is in {engagement.currency}, its account in {account.currency}"
        )
    line = partial(LineDraft, period_start=start, period_end=end)
    words = f"{engagement.name}, {write_days(start, end - days.DAY)}"
    lines = [line(InvoiceLine.Kind.PACKAGE_FEE, words, amount_minor, unit_minor=fee_minor)]
    if tax := money.percentage(amount_minor, engagement.tax_percent):
        lines.append(line(InvoiceLine.Kind.TAX, f"Tax {_percent(engagement)}", tax))
    net = desk.settings.net_days if engagement.net_days is None else engagement.net_days
    due_date = desk.today + timedelta(days=net)
    at_due = account.autopay_timing == BillingAccount.AutopayTiming.DUE
    zone = desk.firm.timezone
    return InvoiceDraft(
        account=account,
        kind=Invoice.Kind.PACKAGE,
        lines=lines,
        issue_date=desk.today,
        due_date=due_date,
        period_start=start,
        period_end=end,
        autopay=engagement.autopay_opt_in and account.pk in desk.cards,
        autopay_charge_at=days.local_midnight(due_date, zone) if at_due else None,
        held_back=not desk.settings.auto_issue_package_invoices,
    )


def make_fee(engagement: Engagement, period: Period, *, fee_minor: int, desk: Desk) -> Fee:
    """Return a period with its invoice, at a fee for a whole one in minor units."""
    draft = draft_invoice(
        engagement,
        start=period.start,
        end=period.end,
        fee_minor=fee_minor,
        amount_minor=period.price(fee_minor),
        desk=desk,
    )
    return Fee(engagement, period, draft)


def invoice_fees(fees: Sequence[Fee], *, now: datetime) -> list[Invoice]:
    """Claim periods and issue their invoices, in the order given.

    One statement per kind of row, however many. Raises ``IntegrityError`` when one of them
    has been claimed already. Tells nobody.
    """
    invoices = issue_invoices([fee.draft for fee in fees], now=now)
    bulk.insert(
        EngagementPeriod,
        ("firm", "engagement", "period_start", "period_end", "invoice"),
        (
            (
                *(fee.engagement.firm_id, fee.engagement.pk),
                *(fee.period.start, fee.period.end, invoice.pk),
            )
            for fee, invoice in zip(fees, invoices, strict=True)
        ),
    )
    return invoices


def tell_clients(told: Sequence[tuple[Engagement, Invoice]], *, firm: Firm) -> None:
    """Tell the clients of new invoices; one that is held back as a draft is not told yet."""
    notify(
        [
            Draft(
                type=PACKAGE_INVOICE_ISSUED,
                firm_id=invoice.firm_id,
                recipient=engagement.account.contact,
                dedupe_key=f"invoice-issued:{invoice.pk}",
                about=invoice,
                context={
                    "firm": firm.name,
                    "engagement": engagement.name,
                    "number": invoice.number,
                    "total": money.write_grouped(invoice.total),
                    "tax": _tax(invoice),
                    "balance": money.write_grouped(invoice.balance),
                    "due": str(invoice.due_date),
                    "start": str(invoice.period_start),
                    "end": str(invoice.period_end),
                    "paid": invoice.status == Invoice.Status.PAID,
                    "charge_on": _charge_on(invoice, firm),
                },
            )
            for engagement, invoice in told
            if invoice.status != Invoice.Status.DRAFT
            and engagement.account.contact.erased_at is None
        ]
    )


def _tax(invoice: Invoice) -> str:
    if not invoice.tax_minor:
        return ""
    return money.write_grouped(money.from_minor(invoice.tax_minor, invoice.currency))


def _charge_on(invoice: Invoice, firm: Firm) -> str:
    """Return the local date on which a card will be charged; empty: none will be."""
    if not invoice.autopay_opt_in:
        return ""
    at = invoice.autopay_next_charge_at
    return str(at.astimezone(days.zone(firm.timezone)).date() if at else invoice.issue_date)


def _percent(engagement: Engagement) -> str:
    return f"{Decimal(engagement.tax_percent).normalize():f}%"
