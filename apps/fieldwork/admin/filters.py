"""What an office looks for in its lists. Every firm is judged by its own day."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.core.days import Clock
from apps.fieldwork.models import (
    ComplianceDocument,
    ContractorProfile,
    PayoutRequest,
    WorkOrder,
)
from apps.firms.admin import visible_firms

SOON = 7  # days before a due date
EXPIRING = 30  # days before the end of a paper

Choice = tuple[str, str, Callable[[Any, date], Any]]


def zones_by_today(request: HttpRequest) -> dict[date, list[str]]:
    """Return the time zones of the firms that somebody sees, by what day it is there.

    Three days at most, however many firms.
    """
    clock = Clock.read()
    zones: dict[date, list[str]] = defaultdict(list)
    for name in visible_firms(request).values_list("timezone", flat=True).distinct():
        zones[clock.today(name)].append(name)
    return zones


class LocalFilter(admin.SimpleListFilter):
    """A choice of questions that depend on the day at the firm."""

    questions: ClassVar[tuple[Choice, ...]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, label) for name, label, _ in self.questions]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        for name, _, ask in self.questions:
            if name == self.value():
                found = Q(pk__in=())
                rows: Any = queryset.model._default_manager
                for today, zones in zones_by_today(request).items():
                    there = ask(rows.all(), today).filter(firm__timezone__in=zones)
                    found |= Q(pk__in=there.values("pk"))
                return queryset.filter(found)
        return queryset


def _without_papers(today: date) -> "QuerySet[ContractorProfile]":
    return ContractorProfile.objects.lacking_papers(on=today)


class WorkFilter(LocalFilter):
    title = "what it waits for"
    parameter_name = "waits"
    questions = (
        ("unassigned", "No contractor yet", lambda orders, today: orders.unassigned()),
        ("overdue", "Overdue", lambda orders, today: orders.overdue(on=today)),
        (
            "soon",
            f"Due within {SOON} days",
            lambda orders, today: orders.approaching(on=today, days=SOON),
        ),
        (
            "papers",
            "Contractor lacks documents",
            lambda orders, today: orders.open().filter(contractor__in=_without_papers(today)),
        ),
        (
            "verification",
            "Done, to be checked",
            lambda orders, today: orders.filter(status=WorkOrder.Status.COMPLETED),
        ),
        (
            "invoice",
            "Done, not invoiced",
            lambda orders, today: orders.filter(
                status__in=[WorkOrder.Status.COMPLETED, WorkOrder.Status.VERIFIED],
                customer__isnull=False,
                customer_price_minor__gt=0,
                invoice=None,
            ),
        ),
        (
            "payout",
            "Ready for payout",
            lambda orders, today: orders.ready_for_payout(),
        ),
    )


class ContractorFilter(LocalFilter):
    title = "documents"
    parameter_name = "documents"
    questions = (
        (
            "lacking",
            "Missing or expired",
            lambda contractors, today: contractors.lacking_papers(on=today),
        ),
        (
            "waiting",
            "Waiting for review",
            lambda contractors, today: contractors.filter(
                papers__status=ComplianceDocument.Status.PENDING_REVIEW
            ),
        ),
    )


class PaperFilter(LocalFilter):
    title = "what to do"
    parameter_name = "todo"
    questions = (
        (
            "review",
            "To be reviewed",
            lambda papers, today: papers.filter(
                status=ComplianceDocument.Status.PENDING_REVIEW
            ),
        ),
        (
            "expired",
            "Expired",
            lambda papers, today: papers.current().filter(expires_on__lt=today),
        ),
        (
            "expiring",
            f"Expires within {EXPIRING} days",
            lambda papers, today: papers.expiring(on=today, days=EXPIRING),
        ),
    )


class PayoutFilter(LocalFilter):
    title = "what to do"
    parameter_name = "todo"
    questions = (
        ("decide", "To be decided", lambda requests, today: requests.pending()),
        (
            "pay",
            "To be paid",
            lambda requests, today: requests.filter(status=PayoutRequest.Status.APPROVED),
        ),
        (
            "held",
            "Held: contractor lacks documents",
            lambda requests, today: requests.filter(
                status__in=[PayoutRequest.Status.PENDING, PayoutRequest.Status.APPROVED],
                contractor__in=_without_papers(today),
            ),
        ),
    )
