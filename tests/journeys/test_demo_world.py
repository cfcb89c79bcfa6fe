"""The demo world has … (spec E1, E2, E3.2)."""

from contextlib import closing
from datetime import date

import pytest
from django.db.models import Count, Sum

from apps.billing.models import Invoice, InvoiceLine, Payment
from apps.billing.services import find_inconsistencies
from apps.calendars.models import WorkflowExecution
from apps.crm.models import Deal, DealActivity
from apps.crm.staleness import Staleness
from apps.documents.models import Document, FileRequest, SignatureRequest
from apps.fieldwork.models import (
    ComplianceDocument,
    ContractorProfile,
    PayoutRequest,
    WorkOrder,
)
from apps.firms.models import Firm, Membership
from apps.integrations.storage import get_storage
from apps.leasing.models import Lease, Property, RewardConfiguration, Unit
from apps.notifications.models import NotificationGroup
from apps.notifications.services import members_of
from apps.weather.models import WeatherAlert

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("demo_world", "reference_clock"),
]


def test_has_the_firms() -> None:
    assert Firm.objects.filter(is_demo=True).count() == 12
    assert Membership.objects.filter(roles__role="owner").count() == 12
    assert Membership.objects.filter(roles__role="facility_manager").count() == 3
    assert Membership.objects.filter(is_active=False).count() == 1


def test_has_the_properties_and_units() -> None:
    assert Property.objects.count() == 5
    units = dict(Unit.objects.values_list("status").annotate(n=Count("pk")))
    assert units == {"occupied": 15, "vacant": 12, "maintenance": 2}


def test_has_the_leases_with_their_invoices_and_payments() -> None:
    assert Lease.objects.filter(status="active").count() == 15
    assert Invoice.objects.filter(kind="rent").count() == 171
    ours = Invoice.objects.filter(firm__slug="evergreen-pm")
    assert ours.filter(kind="manual").count() == 4
    assert Payment.objects.filter(firm__slug="evergreen-pm").count() == 192
    fees = InvoiceLine.objects.filter(kind="late_fee")
    assert (fees.count(), fees.aggregate(s=Sum("amount_minor"))["s"]) == (12, 60_000)


def test_has_each_renter_with_the_history_they_are_named_for() -> None:
    def open_invoices(name: str) -> list[tuple[str, int]]:
        rows = Invoice.objects.filter(
            account__contact__user__username=name, kind="rent", balance_minor__gt=0
        ).order_by("due_date")
        return [(str(i.due_date), i.balance_minor) for i in rows]

    assert open_invoices("overdue_olivia") == [
        ("2025-03-01", 190_000), ("2025-04-01", 190_000), ("2025-05-01", 190_000)
    ]  # fmt: skip
    assert open_invoices("partial_pat") == [("2025-05-01", 68_000)]
    for name in ("perfect_payer", "chronic_charlie", "auto_alice", "prepay_pete"):
        assert open_invoices(name) == []
    nick = Invoice.objects.get(account__contact__user__username="newbie_nick")
    assert (nick.total_minor, nick.status) == (143_000, "paid")
    pete = Lease.objects.get(account__contact__user__username="prepay_pete")
    assert pete.account.credit_minor == 600_000


def test_has_the_signatures() -> None:
    requests = dict(SignatureRequest.objects.values_list("status").annotate(n=Count("pk")))
    assert requests == {"signed": 30, "pending": 3}


def test_has_the_reward_programmes() -> None:
    assert RewardConfiguration.objects.count() == 7


def test_has_deals_in_every_state_that_the_check_knows() -> None:
    deals = Deal.objects.filter(firm__slug="acme-consulting")
    assert dict(deals.values_list("status").annotate(n=Count("pk"))) == {"open": 6, "won": 1}
    today = date(2025, 6, 10)
    rule = Staleness.on(Firm.objects.get(slug="acme-consulting"), today)
    idle = {deal.title: rule.idle_days(deal) for deal in deals.open()}
    assert idle == {
        "Warehouse automation": 20, "Pricing study": 45, "Finance training": 1,
        "ERP selection": 25, "Reporting retainer": 35, "Procurement review": 3,
    }  # fmt: skip
    assert deals.get(is_stale=True).title == "Finance training"
    assert deals.get(snoozed_until__gt=today).title == "Reporting retainer"
    planned = DealActivity.objects.get(occurred_at=None)
    assert (planned.deal.title, planned.type) == ("ERP selection", "meeting")
    assert planned.scheduled_for.date() == date(2025, 6, 15)


def test_has_file_requests_and_files_that_are_not_all_where_they_should_be() -> None:
    requests = FileRequest.objects.order_by("pk").values_list(
        "contact__display_name", "due_date", "reminder_count", "next_reminder_on"
    )
    today = date(2025, 6, 10)
    assert list(requests) == [
        ("Harbor Dental", date(2025, 6, 13), 0, today),
        ("Harbor Dental", date(2025, 6, 4), 4, today),
        ("Quayside Bakery", None, 1, today),
        ("Fernhill Stables", date(2025, 6, 20), 0, date(2025, 6, 17)),
    ]
    files = Document.objects.exclude(storage_key="")
    firm = Firm.objects.get(slug="acme-consulting")
    with closing(get_storage()) as storage:
        stored = {one.key: one.size for one in storage.listing(f"firms/{firm.pk}/")}
    assert (files.count(), len(stored)) == (12, 12)
    known = dict(files.values_list("storage_key", "size_bytes"))
    assert len(known.keys() - stored) == len(stored.keys() - known) == 1
    assert [key for key in known.keys() & stored if known[key] != stored[key]] != []


def test_has_the_field_work() -> None:
    orders = dict(WorkOrder.objects.values_list("firm__slug").annotate(n=Count("pk")))
    assert orders == {"fixit-services": 32, "evergreen-pm": 12}
    assert ContractorProfile.objects.count() == 7
    assert ComplianceDocument.objects.count() == 11
    assert PayoutRequest.objects.count() == 8
    assert Invoice.objects.filter(kind="work").count() == 6


def test_has_three_workflows_waiting() -> None:
    waiting = WorkflowExecution.objects.filter(firm__slug="acme-consulting")
    rows = waiting.order_by("scheduled_for").values_list("rule__name", "status")
    assert list(rows) == [
        ("Meeting prep", "pending"), ("Workshop follow-up", "pending"),
        ("Meeting prep", "pending"),
    ]  # fmt: skip
    hours = [one.scheduled_for.hour for one in waiting.order_by("scheduled_for")]
    assert hours == [8, 11, 12]


def test_has_a_storm_that_everybody_was_told_of() -> None:
    alert = WeatherAlert.objects.get()
    assert (alert.property.name, alert.kind, alert.closed_at) == ("Harbor View", "wind", None)


def test_holds_every_rule_of_the_ledger() -> None:
    assert find_inconsistencies() == []


def test_has_a_group_of_all_renters_that_never_leaves_its_firm() -> None:
    group = NotificationGroup.objects.get(firm__slug="evergreen-pm")
    other = NotificationGroup.objects.get(firm__slug="batumi-travel")
    renters = members_of(group, today=date(2025, 6, 10))
    assert renters.count() == 15
    assert {contact.firm_id for contact in renters} == {group.firm_id}
    assert members_of(other, today=date(2025, 6, 10)).count() == 0
