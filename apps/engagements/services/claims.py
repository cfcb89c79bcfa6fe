"""Claims: which days of an engagement have been dealt with, and doing one again on purpose."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime

from django.db import transaction

from apps.audit.services import record
from apps.billing.models import Invoice, InvoiceLine
from apps.billing.services import issue_draft, issue_invoices
from apps.core import money
from apps.core.problems import Problem
from apps.engagements.models import Engagement, EngagementPeriod, EngagementRate
from apps.engagements.services.invoicing import (
    Desk,
    accounts_with_card,
    draft_invoice,
    tell_clients,
)
from apps.engagements.services.periods import Claim, fee_on
from apps.firms.models import User

Outcome = EngagementPeriod.Outcome


def claims_of(engagement_ids: Iterable[int]) -> defaultdict[int, list[Claim]]:
    """Return what has been claimed of some engagements, oldest first. One query."""
    claims: defaultdict[int, list[Claim]] = defaultdict(list)
    rows = EngagementPeriod.objects.filter(engagement__in=set(engagement_ids))
    columns = ("engagement_id", "period_start", "period_end", "outcome")
    for engagement, start, end, outcome in rows.order_by("period_start").values_list(*columns):
        claims[engagement].append(Claim(start, end, outcome == Outcome.SKIPPED))
    return claims


def rates_of(engagement_ids: Iterable[int]) -> defaultdict[int, list[EngagementRate]]:
    """Return the rates of some engagements in order of time. One query."""
    rates: defaultdict[int, list[EngagementRate]] = defaultdict(list)
    rows = EngagementRate.objects.filter(engagement__in=set(engagement_ids))
    for rate in rows.order_by("effective_from"):
        rates[rate.engagement_id].append(rate)
    return rates


def lock_engagement(engagement: Engagement) -> Engagement:
    """Lock an engagement until the transaction ends and return it as it is now.

    Whoever claims days of it, or changes which days there are, takes this lock first.
    """
    rows = Engagement.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("account__contact", "firm__settings").get(pk=engagement.pk)


def reissue_period(
    *, period: EngagementPeriod, today: date, now: datetime, actor: User | None, reason: str
) -> Invoice:
    """Invoice a period again whose invoice was voided, on purpose: no job ever does.

    The fee is the one now in force for the first day of the period, of a part of a period
    the same share as before. The claim points to the new invoice. Raises ``Problem`` unless
    the old one is void.
    """
    with transaction.atomic():
        engagement = lock_engagement(period.engagement)
        period = EngagementPeriod.objects.select_related("invoice").get(pk=period.pk)
        old = period.invoice
        if old is None or old.status != Invoice.Status.VOID:
            raise Problem(f"{period} has no voided invoice.")
        fee = fee_on(engagement, rates_of([engagement.pk])[engagement.pk], period.period_start)
        before = old.lines.filter(kind=InvoiceLine.Kind.PACKAGE_FEE).order_by("pk").first()
        if before is None or not before.unit_minor:
            raise Problem(f"{old} has no package fee.")
        draft = draft_invoice(
            engagement,
            start=period.period_start,
            end=period.period_end,
            fee_minor=fee,
            amount_minor=money.prorate(fee, covered=before.amount_minor, of=before.unit_minor),
            desk=Desk(engagement.firm, today, accounts_with_card([engagement.account_id])),
        )
        [invoice] = issue_invoices([draft], now=now)
        period.invoice = invoice
        period.save(update_fields=["invoice", "updated_at"])
        tell_clients([(engagement, invoice)], firm=engagement.firm)
        record(
            "engagement_period_reissued",
            period,
            actor=actor,
            changes={"invoice": [old.pk, invoice.pk]},
            reason=reason,
        )
    return invoice


def issue_drafted_period(
    *, period: EngagementPeriod, today: date, now: datetime, actor: User | None
) -> Invoice:
    """Issue the invoice of a period that was held back as a draft, and tell the client."""
    with transaction.atomic():
        engagement = lock_engagement(period.engagement)
        if period.invoice is None:
            raise Problem(f"{period} has no invoice.")
        invoice = issue_draft(invoice=period.invoice, today=today, now=now, actor=actor)
        tell_clients([(engagement, invoice)], firm=engagement.firm)
    return invoice
