"""The golden table (spec E4): the first run of each command on a fresh seed, and the second."""

import io
import re
from typing import Any

import pytest
from django.core.management import call_command
from django_q.models import OrmQ, Task

from apps.billing.models import AccountCredit, BillingAccount, Invoice, InvoiceLine
from apps.discrepancies.models import Discrepancy
from apps.documents.models import SignatureRequest
from apps.engagements.models import Engagement
from apps.firms.models import Firm
from apps.leasing.models import RewardGrant
from apps.notifications.models import Notification
from apps.webhooks.models import WebhookEvent
from sandbox import Sandbox

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("demo_world", "reference_clock"),
]


def run(name: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(name, stdout=out, **options)
    return out.getvalue()


def summary(output: str) -> list[str]:
    return [line.strip() for line in output.partition("Summary:")[2].strip().splitlines()]


def test_generate_monthly_invoices() -> None:
    first = run("generate_monthly_invoices")
    assert summary(first) == ["Invoices generated: 14", "Leases skipped: 1", "Errors: 0"]
    issued = Invoice.objects.filter(kind="rent", issue_date="2025-06-10")
    totals = {
        currency: sum(i.total_minor for i in issued if i.currency == currency)
        for currency in ("GBP", "JPY", "USD")
    }
    assert totals == {"GBP": 352_500, "JPY": 200_000, "USD": 1_488_500}
    pete = issued.get(account__contact__user__username="prepay_pete")
    assert (pete.status, pete.credited_minor, pete.account.credit_minor) == (
        "paid", 200_000, 400_000
    )  # fmt: skip
    assert summary(run("generate_monthly_invoices")) == [
        "Invoices generated: 0", "Leases skipped: 15", "Errors: 0"
    ]  # fmt: skip


def test_generate_package_invoices() -> None:
    acme = Firm.objects.get(slug="acme-consulting")
    growth, operations, advisory, _, review, _ = Engagement.objects.order_by("pk")
    first = run("generate_package_invoices")
    assert re.sub(r"INV-2025-\d{3}", "INV", first) == (
        f"Processing firm: Acme Consulting (ID: {acme.pk})\n"
        f"  ✓ Generated invoice for engagement {growth.pk}: INV ($5000.00)\n"
        f"  ✓ Generated invoice for engagement {operations.pk}: INV ($10000.00)\n"
        f"  - Skipped engagement {advisory.pk}: Invoice already exists for this period\n"
        f"  - Skipped engagement {review.pk}: No period due yet\n"
        "\n"
        "Summary:\n"
        "  Firms processed: 1\n"
        "  Invoices generated: 2\n"
        "  Engagements skipped: 2\n"
        "  Errors: 0\n"
        "Successfully generated 2 invoices.\n"
    )
    assert summary(run("generate_package_invoices")) == [
        "Firms processed: 1", "Invoices generated: 0", "Engagements skipped: 4", "Errors: 0",
        "Successfully generated 0 invoices.",
    ]  # fmt: skip


def test_apply_late_fees() -> None:
    first = run("apply_late_fees")
    assert first.count("$75.00 late fee (5% of $1900.00") == 3
    assert first.count("$34.00 late fee (5% of $680.00") == 1
    assert summary(first)[:2] == ["Late fees applied: 4", "Total late fees: $259.00"]
    assert summary(first)[3] == "Errors: 0"
    again = summary(run("apply_late_fees"))
    assert again[:2] == ["Late fees applied: 0", "Total late fees: $0.00"]
    lines = InvoiceLine.objects.filter(kind="late_fee", invoice__balance_minor__gt=0)
    assert sorted(line.amount_minor for line in lines) == [3_400, 7_500, 7_500, 7_500]


def test_send_payment_reminders() -> None:
    first = run("send_payment_reminders")
    assert summary(first) == [
        "Upcoming reminders: 2", "Overdue reminders: 4", "Skipped: 0", "Errors: 0"
    ]  # fmt: skip
    assert first.count("40 days overdue") == 2
    before = Notification.objects.count()
    assert summary(run("send_payment_reminders")) == [
        "Upcoming reminders: 0", "Overdue reminders: 0", "Skipped: 0", "Errors: 0"
    ]  # fmt: skip
    assert Notification.objects.count() == before


def test_calculate_rewards() -> None:
    first = run("calculate_rewards")
    assert "  ✓ streak_sally: 14-month streak, reward £40.00 (12-month streak)\n" in first
    assert first.endswith(
        "Summary: Tenants checked: 15, Rewards granted: 24, Total: £120.00, ¥4000, $525.00\n"
    )
    assert RewardGrant.objects.count() == 24
    assert AccountCredit.objects.filter(kind="reward").count() == 24
    sally = BillingAccount.objects.get(contact__user__username="streak_sally")
    assert sally.credit_minor == 4_000
    assert run("calculate_rewards").endswith(
        "Summary: Tenants checked: 15, Rewards granted: 0, Total: $0.00\n"
    )


def test_expire_signing_links() -> None:
    assert run("expire_signing_links") == "Expired 1 signing links older than 7 days.\n"
    assert SignatureRequest.objects.filter(status="expired").count() == 1
    assert SignatureRequest.objects.filter(status="pending").count() == 2
    assert run("expire_signing_links") == "Expired 0 signing links older than 7 days.\n"


def test_process_recurring_charges(demo_banks: Sandbox) -> None:
    run("generate_package_invoices")
    first = run("process_recurring_charges")
    assert summary(first) == [
        "Invoices charged: 2", "Total amount charged: $7500.00", "Failed charges: 1"
    ]  # fmt: skip
    assert first.count("Card declined (will retry in 7 days)") == 1
    assert first.count(": No valid payment method") == 1
    assert sorted(one.amount for one in demo_banks.stripe.charges_made()) == [250_000, 500_000]
    told = Notification.objects.count()
    assert summary(run("process_recurring_charges")) == [
        "Invoices charged: 0", "Total amount charged: $0.00", "Failed charges: 0"
    ]  # fmt: skip
    assert len(demo_banks.stripe.charges_made()) == 2
    assert Notification.objects.count() == told


def test_reconcile_stripe(demo_banks: Sandbox) -> None:
    first = run("reconcile_stripe")
    assert "Mismatches found: 2 (2 new)" in summary(first)
    assert "Errors: 0" in summary(first)
    open_issues = Discrepancy.objects.filter(status="open").order_by("kind")
    assert [(one.firm.slug, one.kind) for one in open_issues] == [
        ("acme-consulting", "refund_not_recorded"),
        ("acme-consulting", "remote_paid_local_unpaid"),
    ]
    told = Notification.objects.count()
    assert "Mismatches found: 2 (0 new)" in summary(run("reconcile_stripe"))
    assert Notification.objects.count() == told


def test_reconcile_stripe_repairs_both_on_request(demo_banks: Sandbox) -> None:
    run("reconcile_stripe", repair=True)
    foxglove, granite = (
        Invoice.objects.get(account__contact__display_name=name)
        for name in ("Foxglove Florists", "Granite Gym")
    )
    assert (foxglove.status, foxglove.paid_minor) == ("paid", 80_000)
    assert (granite.paid_minor, granite.balance_minor) == (37_500, 12_500)
    assert "Mismatches found: 0 (0 new)" in summary(run("reconcile_stripe"))


def test_refresh_materialized_views() -> None:
    for _ in range(2):
        assert run("refresh_materialized_views").endswith("Refreshed 3 of 3 views.\n")


def test_cleanup_webhook_events() -> None:
    kept = "Kept 1 unfinished events older than 90 days.\n"
    first = run("cleanup_webhook_events")
    assert first == f"Deleted 3 webhook events older than 90 days.\n{kept}"
    statuses = WebhookEvent.objects.values_list("status", flat=True)
    assert sorted(statuses) == ["failed", "ignored", "processed", "processed", "processed"]
    again = run("cleanup_webhook_events")
    assert again == f"Deleted 0 webhook events older than 90 days.\n{kept}"


def test_cleanup_old_tasks() -> None:
    assert run("cleanup_old_tasks") == (
        "Deleted 5 tasks older than 30 days (3 successful, 2 failed).\n"
    )
    assert Task.objects.count() == 5
    assert run("cleanup_old_tasks") == (
        "Deleted 0 tasks older than 30 days (0 successful, 0 failed).\n"
    )


def test_qflush() -> None:
    assert run("qflush", no_input=True).endswith("Flushed 4 tasks from queue 'nightshift'.\n")
    assert OrmQ.objects.count() == 0
    assert Task.objects.count() == 10
    assert run("qflush", no_input=True).endswith("Queue 'nightshift' is empty.\n")


def test_process_recurring_payments(demo_banks: Sandbox) -> None:
    first = run("process_recurring_payments")
    assert summary(first) == [
        "Subscriptions found: 6", "Charges submitted: 2", "Skipped: 4", "Errors: 0"
    ]  # fmt: skip
    assert first.count(": charge of 59.00 GEL submitted (order ") == 2
    assert first.count(": no saved card") == 3
    assert first.count("⚠ poti-shipping: price changed;") == 1
    charged = {
        charge["payment_detail"]["parent_order_id"] for charge in demo_banks.bog.charges()
    }
    assert charged == {"bog-demo-tbilisi-motors", "bog-demo-kutaisi-labs"}
    told = Notification.objects.count()
    assert summary(run("process_recurring_payments")) == [
        "Subscriptions found: 4", "Charges submitted: 0", "Skipped: 4", "Errors: 0"
    ]  # fmt: skip
    assert len(demo_banks.bog.charges()) == 2
    assert Notification.objects.count() == told


def test_check_subscription_status() -> None:
    first = run("check_subscription_status")
    assert summary(first) == [
        "Reminders sent: 1", "Urgent reminders sent: 2", "Grace warnings sent: 2",
        "Tenants suspended: 1", "Errors: 0",
    ]  # fmt: skip
    assert [firm.slug for firm in Firm.objects.filter(status="suspended")] == ["zugdidi-farm"]
    told = Notification.objects.count()
    assert summary(run("check_subscription_status")) == [
        "Reminders sent: 0", "Urgent reminders sent: 0", "Grace warnings sent: 0",
        "Tenants suspended: 0", "Errors: 0",
    ]  # fmt: skip
    assert Notification.objects.count() == told
