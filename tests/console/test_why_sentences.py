"""Why: one row that fails one condition, and the sentence for it, job by job.

The money jobs of billing and leasing have tables of their own, beside their other tests.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from apps.core.days import Clock
from apps.core.explaining import Question, explain
from apps.documents.services import request_signature
from apps.firms.models import Firm
from apps.jobs.job import find
from apps.subscriptions.models import PaymentOrder
from tests import factories as make

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 12, 15, tzinfo=UTC)  # a Thursday, eleven in New York
SUSPENDED = "The firm is suspended or closed."


@pytest.fixture(autouse=True)
def own_jobs() -> None:
    """Here it is the project's jobs that are asked."""


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def link(**_: Any) -> Any:
    document = make.DocumentFactory()
    signer = make.ContactFactory(firm=document.firm)
    return request_signature(document=document, signer=signer, requested_by=None, now=NOW)[0]


def renewal(**_: Any) -> Any:
    """A subscription that expires tomorrow, with a saved card."""
    subscription = make.SubscriptionFactory()
    make.PaymentOrderFactory(
        subscription=subscription, status="completed", card_saved=True, card_mask="4111…1111"
    )
    return subscription


MAKE: dict[str, Callable[..., Any]] = {
    "process_recurring_payments": renewal,
    "check_subscription_status": make.SubscriptionFactory,
    "generate_package_invoices": lambda: make.EngagementFactory(bill_from="2025-05-01"),
    "expire_signing_links": link,
    "send_file_request_reminders": lambda: make.FileRequestFactory(
        next_reminder_on="2025-06-12"
    ),
    "check_stale_deals": make.DealFactory,
    "send_stale_deal_reminders": make.StaleDealAlertFactory,
    "check_compliance_expiry": lambda: make.ComplianceDocumentFactory(
        status="VALID", expires_on="2025-06-20"
    ),
    "send_pending_jobs_reminder": make.WorkOrderFactory,
    "send_payout_reminders": make.PayoutRequestFactory,
    "auto_close_stale_jobs": lambda: make.WorkOrderFactory(
        last_activity_at=NOW - timedelta(days=100)
    ),
    "deliver_notifications": make.DeliveryFactory,
    "execute_erasure_request": lambda: make.ErasureRequestFactory(status="approved"),
    "sync_emails": make.EmailConnectionFactory,
    "sync_ad": lambda: make.DirectoryConnectionFactory(is_enabled=True),
    "execute_pending_workflows": make.WorkflowExecutionFactory,
    "check_weather_alerts": lambda: make.PropertyFactory(latitude="41.7", longitude="44.8"),
}

CASES = [
    ("process_recurring_payments", {}, "The next run charges the saved card."),
    ("process_recurring_payments", {"status": "cancelled"}, "It is cancelled."),
    ("process_recurring_payments", {"expires_on": None}, "It never expires."),
    (
        "process_recurring_payments",
        {"expires_on": "2025-07-01"},
        "It expires on 2025-07-01; what is charged expires by 2025-06-15.",
    ),
    (
        "process_recurring_payments",
        {"expires_on": "2025-05-01"},
        "It expired on 2025-05-01, too long ago to be renewed by itself.",
    ),
    (
        "process_recurring_payments",
        {"cancel_at_period_end": True},
        "It was cancelled and ends with what is paid for.",
    ),
    (
        "check_subscription_status",
        {},
        "The next run tells its owners, or takes the step that is due.",
    ),
    (
        "check_subscription_status",
        {"expires_on": "2025-08-01"},
        "It expires on 2025-08-01; owners hear of it a week before.",
    ),
    ("check_subscription_status", {"status": "suspended"}, "It is suspended."),
    ("generate_package_invoices", {}, "The next run issues its invoice."),
    (
        "generate_package_invoices",
        {"status": "paused"},
        "Only active engagements are billed; it is paused.",
    ),
    (
        "generate_package_invoices",
        {"pricing_mode": "hourly"},
        "It has no package fee: its price is hourly.",
    ),
    ("generate_package_invoices", {"bill_from": "2025-09-01"}, "No period due yet."),
    ("generate_package_invoices", {"package_fee_minor": 0}, "Package fee is zero."),
    (
        "expire_signing_links",
        {"status": "revoked", "token_created_at": NOW - timedelta(days=8)},
        "Only open links expire; it is revoked.",
    ),
    (
        "expire_signing_links",
        {},
        "It can still be used: made on 2025-06-12 11:00, it ends on 2025-06-19 11:00.",
    ),
    (
        "send_file_request_reminders",
        {},
        "The next run reminds the person, unless they were reminded of another today.",
    ),
    (
        "send_file_request_reminders",
        {"status": "fulfilled", "fulfilled_at": NOW},
        "Nothing is outstanding: all has come.",
    ),
    (
        "send_file_request_reminders",
        {"next_reminder_on": "2025-06-20"},
        "Its next reminder is on 2025-06-20.",
    ),
    (
        "send_file_request_reminders",
        {"last_reminder_on": "2025-06-12"},
        "There was a reminder today.",
    ),
    (
        "check_stale_deals",
        {"status": "won", "closed_at": NOW},
        "Only open deals go stale; it is won.",
    ),
    ("check_stale_deals", {"snoozed_until": "2025-06-30"}, "It is snoozed until 2025-06-30."),
    (
        "check_stale_deals",
        {"last_activity_at": NOW},
        "Somebody touched it lately, or has planned something soon.",
    ),
    (
        "send_stale_deal_reminders",
        {"resolved_on": "2025-06-11"},
        "Its deal recovered on 2025-06-11.",
    ),
    (
        "send_stale_deal_reminders",
        {"last_reminded_on": "2025-06-11", "reminder_count": 1},
        "Its owner was reminded on 2025-06-11; again a week after that.",
    ),
    (
        "check_compliance_expiry",
        {},
        "The next run brings it up to date, or warns the contractor where a step is due.",
    ),
    (
        "check_compliance_expiry",
        {"status": "SUPERSEDED"},
        "Only approved papers not replaced yet are checked; it is replaced.",
    ),
    (
        "check_compliance_expiry",
        {"expires_on": "2026-06-20"},
        "Nothing changes yet: it is valid until 2026-06-20.",
    ),
    ("send_pending_jobs_reminder", {}, "The next digest lists it."),
    ("send_payout_reminders", {}, "The next digest to the firm's admins counts it."),
    (
        "send_payout_reminders",
        {"status": "PAID"},
        "Only pending requests are reminded of; it is paid.",
    ),
    ("auto_close_stale_jobs", {}, "The next run closes it."),
    (
        "auto_close_stale_jobs",
        {"do_not_auto_close": True},
        "Somebody has said not to close it.",
    ),
    ("auto_close_stale_jobs", {"due_date": "2025-06-12"}, "It is due on 2025-06-12."),
    (
        "auto_close_stale_jobs",
        {"last_activity_at": NOW},
        "Something happened on it on 2025-06-12 11:00.",
    ),
    ("deliver_notifications", {}, "The next run delivers it."),
    ("deliver_notifications", {"status": "sent"}, "It is not waiting any more: sent."),
    (
        "deliver_notifications",
        {"next_attempt_at": NOW + timedelta(hours=1)},
        "It waits until 2025-06-12 12:00.",
    ),
    (
        "execute_erasure_request",
        {"status": "received"},
        "Only approved requests are carried out; it is received.",
    ),
    ("sync_emails", {}, "The next run reads it."),
    ("sync_emails", {"is_active": False}, "It is switched off."),
    (
        "sync_emails",
        {"status": "auth_failed"},
        "It waits for new credentials: authentication failed.",
    ),
    (
        "sync_emails",
        {"backoff_until": NOW + timedelta(minutes=20)},
        "After a failure it is left alone until 2025-06-12 11:20.",
    ),
    ("sync_ad", {}, "The next run reads it."),
    ("sync_ad", {"is_enabled": False}, "It is switched off."),
    ("execute_pending_workflows", {"status": "succeeded"}, "It has been done."),
    (
        "execute_pending_workflows",
        {"scheduled_for": NOW + timedelta(days=1), "next_attempt_at": NOW + timedelta(days=1)},
        "It is pending and waits until 2025-06-13 11:00.",
    ),
    (
        "check_weather_alerts",
        {},
        "The next run looks at its weather; whoever is to be warned is warned.",
    ),
    ("check_weather_alerts", {"latitude": None}, "No coordinates."),
]


def ask(job: str, row: Any) -> list[str]:
    [how] = find(job).explains
    row = how.model._default_manager.select_related(*how.loads).get(pk=row.pk)
    return list(explain(row, {job: Question(how)}, Clock.read())[job].sentences)


@pytest.mark.parametrize(("job", "change", "sentence"), CASES)
def test_says_why(job: str, change: dict[str, Any], sentence: str) -> None:
    row = MAKE[job]()
    type(row)._default_manager.filter(firm=row.firm).update(**change) if change else None
    Firm.objects.exclude(pk=row.firm_id).update(status="suspended")
    Firm.objects.filter(pk=row.firm_id).update(timezone="America/New_York")
    assert ask(job, row) == [sentence]


@pytest.mark.parametrize(
    "job",
    [
        *("auto_close_stale_jobs", "check_compliance_expiry", "sync_emails", "sync_ad"),
        *("execute_pending_workflows", "check_weather_alerts", "process_recurring_payments"),
    ],
)
def test_says_that_a_suspended_firm_is_left_alone(job: str) -> None:
    row = MAKE[job]()
    Firm.objects.update(status="suspended")
    assert SUSPENDED in ask(job, row)


@pytest.mark.parametrize(
    "job",
    [
        *("send_file_request_reminders", "check_stale_deals", "send_pending_jobs_reminder"),
        *("send_payout_reminders", "generate_package_invoices"),
    ],
)
def test_names_the_state_of_a_firm_that_its_job_leaves_out(job: str) -> None:
    row = MAKE[job]()
    Firm.objects.update(status="closed")
    assert ask(job, row)[0] == f"Firm {row.firm_id} is closed."


def test_says_which_jobs_the_digest_lists() -> None:
    order = make.WorkOrderFactory(status="COMPLETED")
    assert ask("send_pending_jobs_reminder", order) == [
        "The digest lists jobs that nobody has, and open ones that are due within a week or "
        "overdue; it is completed, due: empty."
    ]


def test_says_that_a_renewal_is_under_way_or_refused_for_good() -> None:
    row = renewal()
    order = make.PaymentOrderFactory(
        subscription=row, kind="renewal", status="pending", cycle_expires_on=row.expires_on
    )
    words = (
        "A charge for this expiry is under way, was paid, was tried within 24 hours, or needs "
        "its owner."
    )
    assert ask("process_recurring_payments", row) == [words]
    PaymentOrder.objects.filter(pk=order.pk).delete()
    PaymentOrder.objects.update(card_saved=False)
    assert ask("process_recurring_payments", row) == ["No saved card."]
