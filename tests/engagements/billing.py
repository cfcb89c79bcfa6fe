"""Engagements that are billed, and what has come of it."""

import io
from contextlib import nullcontext
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from apps.billing.models import Invoice
from apps.engagements.models import Engagement
from apps.firms.models import Firm
from tests.factories import BillingAccountFactory, ContactFactory, EngagementFactory


def at(moment: str) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def engagement_of(firm: Firm, **how: Any) -> Engagement:
    """Make an engagement of a firm with a client of its own."""
    account = BillingAccountFactory(contact=ContactFactory(firm=firm))
    return EngagementFactory(account=account, **how)


def invoices_of(engagement: Engagement) -> list[Invoice]:
    """Return the invoices for an engagement's periods, oldest period first."""
    periods = engagement.periods.exclude(invoice=None).order_by("period_start")
    return [period.invoice for period in periods.select_related("invoice")]


def billed(engagement: Engagement) -> list[tuple[str, str]]:
    """Return the periods that have been claimed, whatever for, as (start, end)."""
    rows = engagement.periods.order_by("period_start")
    return [(str(row.period_start), str(row.period_end)) for row in rows]


def run(*, expect: int = 0, **options: Any) -> str:
    """Run the command, and return what it prints; ``expect`` errors make it end badly."""
    out = io.StringIO()
    words = rf"^{expect} item\(s\) failed; see the log\.$"
    with pytest.raises(CommandError, match=words) if expect else nullcontext():
        call_command("generate_package_invoices", stdout=out, **options)
    return out.getvalue()
