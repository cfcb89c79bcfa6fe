"""The golden table (spec E4): the first run of each command on a fresh seed, and the second."""

import io
import re
from collections import Counter
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_q.models import OrmQ, Task

from apps.billing.models import AccountCredit, BillingAccount, Invoice, InvoiceLine
from apps.calendars.models import CalendarEvent
from apps.crm.models import Deal, DealActivity
from apps.discrepancies.models import Discrepancy
from apps.documents.models import SignatureRequest
from apps.engagements.models import Engagement
from apps.fieldwork.models import ComplianceDocument, WorkOrder
from apps.firms.models import Firm
from apps.leasing.models import RewardGrant
from apps.mailbox.models import EmailMessage, Ticket, TicketEntry
from apps.notifications.models import Notification
from apps.privacy.models import ErasureRequest
from apps.webhooks.models import WebhookEvent
from sandbox import Sandbox

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("demo_world", "reference_clock"),
]


def run(name: str, *, failing: str = "", **options: Any) -> str:
    out = io.StringIO()
    with pytest.raises(CommandError, match=re.escape(failing)) if failing else nullcontext():
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


def test_check_weather_alerts(demo_banks: Sandbox) -> None:
    first = run("check_weather_alerts")
    assert first == (
        "Checking weather alerts...\n"
        "  - Oak Street Duplex: skipped (no coordinates)\n"
        "  ⚠ Maple Court: extreme heat 41.0°C (threshold 39.4°C) - alerted 5 tenants\n"
        "  - Harbor View: high winds alert already active\n"
        "Summary: Properties checked: 5, Alerts sent: 1, Already active: 1, Errors: 0\n"
    )
    told = Notification.objects.filter(type="weather_alert")
    assert told.filter(recipient_contact__isnull=False).count() == 5
    before = Notification.objects.count()
    assert run("check_weather_alerts").endswith(
        "Summary: Properties checked: 5, Alerts sent: 0, Already active: 2, Errors: 0\n"
    )
    assert Notification.objects.count() == before


def test_expire_signing_links() -> None:
    assert run("expire_signing_links") == "Expired 1 signing links older than 7 days.\n"
    assert SignatureRequest.objects.filter(status="expired").count() == 1
    assert SignatureRequest.objects.filter(status="pending").count() == 2
    assert run("expire_signing_links") == "Expired 0 signing links older than 7 days.\n"


def test_send_file_request_reminders() -> None:
    acme = Firm.objects.get(slug="acme-consulting")
    start = f"Firm Acme Consulting (ID: {acme.pk}): "
    first = run("send_file_request_reminders")
    assert f"{start}2 reminders sent (3 requests), 0 escalated\n" in first
    assert summary(first) == [
        "Reminders sent: 2", "Requests covered: 3", "Skipped: 0", "Errors: 0"
    ]  # fmt: skip
    told = Notification.objects.filter(type="file_request_reminder")
    assert sorted(str(one.recipient_contact) for one in told) == [
        "Harbor Dental", "Quayside Bakery"
    ]  # fmt: skip
    again = run("send_file_request_reminders")
    assert f"{start}0 reminders sent (0 requests), 0 escalated\n" in again
    assert told.count() == 2


def test_reconcile_s3() -> None:
    found = [
        "Documents checked: 12", "Objects checked: 12", "Missing: 1", "Orphaned: 1",
        "Mismatched: 1", "Errors: 0",
    ]  # fmt: skip
    first = run("reconcile_s3")
    assert summary(first) == found
    issues = Discrepancy.objects.filter(source="s3").order_by("kind")
    kinds = ["missing_object", "orphan_object", "size_mismatch"]
    assert list(issues.values_list("kind", flat=True)) == kinds
    before = Notification.objects.count()
    assert summary(run("reconcile_s3")) == found
    assert (issues.count(), Notification.objects.count()) == (3, before)


def test_check_stale_deals() -> None:
    acme = Firm.objects.get(slug="acme-consulting")
    start = f"Firm Acme Consulting (ID: {acme.pk}): 6 open deals checked, "
    first = run("check_stale_deals")
    assert first == f"{start}2 newly stale, 1 recovered, 2 stale in total\n"
    flagged = Deal.objects.filter(is_stale=True).order_by("stale_since")
    assert list(flagged.values_list("title", "stale_since")) == [
        ("Pricing study", date(2025, 5, 10)), ("Warehouse automation", date(2025, 6, 4))
    ]  # fmt: skip
    again = run("check_stale_deals")
    assert again == f"{start}0 newly stale, 0 recovered, 2 stale in total\n"


def test_execute_pending_workflows() -> None:
    kickoff, workshop, board = (
        CalendarEvent.objects.get(title=title).pk
        for title in ("Kickoff", "Pricing workshop", "Board review")
    )
    assert run("execute_pending_workflows") == (
        "Executing pending workflows...\n"
        f'  - Skipped Meeting prep for "Board review" (event {board}): too late\n'
        f'  ✓ Workshop follow-up for "Pricing workshop" (event {workshop})\n'
        f'  ✓ Meeting prep for "Kickoff" (event {kickoff})\n'
        "Summary: Executed: 2, Skipped: 1, Failed: 0\n"
    )
    assert Notification.objects.filter(type="workflow_notice").count() == 1
    call = DealActivity.objects.get(type="call", occurred_at=None)
    assert (call.deal.title, call.is_automated) == ("Warehouse automation", True)
    before = Notification.objects.count(), DealActivity.objects.count()
    assert run("execute_pending_workflows").endswith(
        "Summary: Executed: 0, Skipped: 0, Failed: 0\n"
    )
    assert (Notification.objects.count(), DealActivity.objects.count()) == before


def test_send_stale_deal_reminders() -> None:
    acme = Firm.objects.get(slug="acme-consulting")
    run("check_stale_deals")
    told = Notification.objects.count()
    start = f"Firm Acme Consulting (ID: {acme.pk}): "
    first = run("send_stale_deal_reminders")
    assert first == f"{start}1 reminder sent to 1 owner (2 deals), 0 escalated\n"
    reminder = Notification.objects.get(type="stale_deals")
    assert reminder.recipient_user.username == "acme-admin"
    again = run("send_stale_deal_reminders")
    assert again == f"{start}0 reminders sent to 0 owners (0 deals), 0 escalated\n"
    assert Notification.objects.count() == told + 1


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


def test_sync_ad(demo_banks: Sandbox) -> None:
    acme = Firm.objects.get(slug="acme-consulting")
    first = run("sync_ad", firm_id=acme.pk, full_sync=True)
    assert first == (
        f"Synchronizing users for firm: Acme Consulting (ID: {acme.pk}) [full]\n"
        "  ✓ Updated: m.smith (email)\n"
        "  ✓ Deactivated: old.user\n"
        "  ✓ Created: j.doe\n"
        "\n"
        "Summary:\n"
        "  Created: 1\n"
        "  Updated: 1\n"
        "  Deactivated: 1\n"
        "  Reactivated: 0\n"
        "  Conflicts: 0\n"
        "  Unchanged: 4\n"
    )
    assert summary(run("sync_ad", firm_id=acme.pk, full_sync=True)) == [
        "Created: 0", "Updated: 0", "Deactivated: 0", "Reactivated: 0", "Conflicts: 0",
        "Unchanged: 7",
    ]  # fmt: skip


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


def test_execute_retention_policies() -> None:
    acme = Firm.objects.get(slug="acme-consulting")
    first = run("execute_retention_policies")
    assert (
        f"Firm: Acme Consulting (ID: {acme.pk})\n"
        "  emails: 2 deleted, 1 held (before 2023-06-11)\n"
        "  documents: 2 deleted, 0 held (before 2018-06-12)\n"
        "  audit_logs: 4 deleted, 0 held (before 2018-06-12)\n"
        "  webhooks: 3 deleted, 0 held (before 2025-03-12)\n"
        "  sessions: 5 deleted, 0 held (before 2025-05-11)\n"
    ) in first
    assert summary(first) == [
        "Firms processed: 12", "Records processed: 16", "Records held: 1", "Errors: 0"
    ]  # fmt: skip
    assert summary(run("execute_retention_policies")) == [
        "Firms processed: 12", "Records processed: 0", "Records held: 1", "Errors: 0"
    ]  # fmt: skip


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


def test_check_compliance_expiry() -> None:
    heading, kept = "Starting compliance expiry check...\n", "3 expiring soon, 2 expired.\n"
    first = run("check_compliance_expiry")
    assert first == (
        f"{heading}Compliance check complete: 3 expiring, 2 expired\nCurrently: {kept}"
    )
    statuses = ComplianceDocument.objects.filter(firm__slug="fixit-services")
    assert Counter(statuses.values_list("status", flat=True)) == {
        "EXPIRING_SOON": 3, "EXPIRED": 2, "VALID": 3, "SUPERSEDED": 1
    }  # fmt: skip
    told = Notification.objects.filter(type="compliance_warning").order_by("pk")
    steps = [(one.dedupe_key.rpartition(":")[2], one.context["days"]) for one in told]
    assert sorted(steps) == [
        ("after_1", -1), ("after_29", -40), ("before_1", 1), ("before_14", 14),
        ("before_30", 30),
    ]  # fmt: skip
    before = Notification.objects.count()
    assert run("check_compliance_expiry") == (
        f"{heading}Compliance check complete: 0 expiring, 0 expired\nCurrently: {kept}"
    )
    assert Notification.objects.count() == before


def test_send_pending_jobs_reminder() -> None:
    lines = [
        "Evergreen Property Management: Reminder sent to {} users: "
        "3 unassigned, 0 approaching, 0 overdue",
        "Fixit Services: Reminder sent to {} users: 5 unassigned, 3 approaching, 2 overdue",
    ]
    first = run("send_pending_jobs_reminder").splitlines()[1:]
    assert first == [line.format(number) for line, number in zip(lines, (2, 4), strict=True)]
    before = Notification.objects.count()
    again = run("send_pending_jobs_reminder").splitlines()[1:]
    assert again == [line.format(0) for line in lines]
    assert Notification.objects.count() == before


def test_send_daily_summary() -> None:
    assert run("send_daily_summary") == (
        "Generating daily summary...\nDaily summary sent to 6 users\n"
    )
    fixit = Notification.objects.filter(type="daily_summary", firm__slug="fixit-services")
    assert fixit.count() == 4
    assert fixit[0].context == {
        "on": "2025-06-10",
        "yesterday": {
            "first": "2025-06-09",
            "last": "2025-06-09",
            "created": 5,
            "completed": 3,
            "estimates": 4,
            "payouts": "2 ($5,000.00)",
            "revenue": "$12,500.00",
        },
        "missed": None,
        "current": {
            "total": 30,
            "pending": 5,
            "active": 8,
            "estimates": 8,
            "completions": 5,
            "overdue": 2,
        },
    }
    before = Notification.objects.count()
    assert run("send_daily_summary") == (
        "Generating daily summary...\nDaily summary sent to 0 users\n"
    )
    assert Notification.objects.count() == before


def test_send_payout_reminders() -> None:
    heading = "Starting payout reminders...\n"
    assert run("send_payout_reminders") == (
        f"{heading}Payout reminders sent: 5 pending requests, 8 ready for payout; "
        "2 contractors notified\n"
    )
    before = Notification.objects.count()
    assert run("send_payout_reminders") == (
        f"{heading}Payout reminders sent: 0 pending requests, 0 ready for payout; "
        "0 contractors notified\n"
    )
    assert Notification.objects.count() == before


def test_auto_close_stale_jobs() -> None:
    assert run("auto_close_stale_jobs", dry_run=True) == (
        "Checking for stale jobs (inactive for 90+ days)...\n"
        "Found 3 stale jobs\n"
        "DRY RUN - No jobs will be closed\n"
        "  • JOB-000100: Old Bathroom Job (95 days inactive)\n"
        "  • JOB-000101: Abandoned Kitchen (120 days inactive)\n"
        "  • JOB-000102: Stale Plumbing (100 days inactive)\n"
    )
    assert run("auto_close_stale_jobs") == (
        "Checking for stale jobs (inactive for 90+ days)...\n"
        "Found 3 stale jobs\n"
        "  ✓ Closed: JOB-000100 (95 days inactive)\n"
        "  ✓ Closed: JOB-000101 (120 days inactive)\n"
        "  ✓ Closed: JOB-000102 (100 days inactive)\n"
        "Auto-closed 3 stale jobs\n"
    )
    closed = WorkOrder.objects.filter(cancel_reason="auto_stale").order_by("number")
    assert [(one.number, one.status) for one in closed] == [
        (f"JOB-{number:06d}", "CANCELLED") for number in (100, 101, 102)
    ]
    before = Notification.objects.count()
    assert run("auto_close_stale_jobs") == (
        "Checking for stale jobs (inactive for 90+ days)...\n"
        "Found 0 stale jobs\n"
        "Auto-closed 0 stale jobs\n"
    )
    assert Notification.objects.count() == before


def test_execute_erasure_request() -> None:
    erin, bluebird = ErasureRequest.objects.filter(status="approved").order_by("pk")
    first = run("execute_erasure_request", request_id=erin.pk)
    assert first == (
        f"Erasure request {erin.pk} for contact {erin.contact_id}\n"
        "  invoices: 2 retained until 2034-12-31 (tax law)\n"
        "  payments: 2 retained until 2034-12-31 (tax law)\n"
        "  contact records: 1 anonymised\n"
        "  mentions elsewhere: 1 anonymised\n"
        "Erasure completed: 0 erased, 2 anonymised, 4 retained.\n"
    )
    assert run("execute_erasure_request", request_id=erin.pk) == (
        f"Erasure request {erin.pk} was completed on 2025-06-10; nothing to do.\n"
    )
    invoice = Invoice.objects.get(account__contact=erin.contact_id)
    assert invoice.billed_to == "Erin Ashworth\nerin.ashworth@ashworth.example"
    for _ in range(2):
        said = run("execute_erasure_request")
        assert re.search(r"⚠ Blocked: INV-2025-\d{3} is still open \(\$1000.00\)\n", said)
        assert said.endswith(f"{bluebird} is blocked by 1 thing to settle.\n")


def test_remind_of_erasure_deadlines() -> None:
    assert "  Reminders sent: 1\n" in run("remind_of_erasure_deadlines")
    assert "  Reminders sent: 0\n" in run("remind_of_erasure_deadlines")


def test_anonymise_retained_records() -> None:
    for _ in range(2):
        assert "  Records anonymised: 0\n" in run("anonymise_retained_records")


def test_replay_erasures(folder: Path) -> None:
    for _ in range(2):
        assert run("replay_erasures") == "Repeated 0 erasures of the journal.\n"


@pytest.mark.usefixtures("demo_post")
def test_sync_emails() -> None:
    first = run("sync_emails", failing="1 item(s) failed; see the log.")
    assert first == (
        "Syncing emails for tenant: mycompany\n"
        "  ✓ Support Inbox: 12 new messages\n"
        "  ✓ Billing Inbox: 3 new messages\n"
        "  ✗ Sales Inbox: authentication failed\n"
        "\n"
        "Summary:\n"
        "  Tenants processed: 1\n"
        "  Connections synced: 2\n"
        "  New messages: 15\n"
        "  Errors: 1\n"
    )
    assert EmailMessage.objects.filter(state="stored", files_due=False).count() == 15
    assert EmailMessage.objects.filter(is_auto=True).count() == 3
    # Three letters are one conversation, two an order, and one came to both mailboxes.
    assert (Ticket.objects.count(), TicketEntry.objects.count()) == (11, 14)
    told = Notification.objects.count()
    again = run("sync_emails")
    assert summary(again) == [
        "Tenants processed: 1", "Connections synced: 2", "New messages: 0", "Errors: 0"
    ]  # fmt: skip
    assert EmailMessage.objects.count() == 15
    assert Notification.objects.count() == told
