"""Charging a late fee … (spec D18 "Effect", C-15)."""

from datetime import date
from decimal import Decimal

import pytest

from apps.audit.models import AuditEvent
from apps.firms.models import FirmSettings
from apps.leasing.models import (
    LateFeeAssessment,
    LeaseParty,
)
from apps.leasing.services import (
    apply_late_fees,
)
from apps.notifications.models import Delivery, Notification
from apps.notifications.services import deliver_notifications
from tests.factories import (
    ContactFactory,
    LeaseFactory,
    UnitFactory,
)
from tests.leasing.charging import SEVENTH, fees, waive
from tests.leasing.renting import PERCENT, at, home_with, rent
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db


@at(SEVENTH)
def test_writes_line_totals_assessment_audit_and_message() -> None:
    invoice = rent(home=home_with(max_fee_minor=6_000, **PERCENT))
    apply_late_fees()
    invoice.refresh_from_db()
    assert (invoice.total_minor, invoice.late_fees_minor) == (156_000, 6_000)
    assert (invoice.status, invoice.due_date) == ("overdue", date(2025, 3, 1))
    assert invoice.revision == 1
    line = invoice.lines.get(kind="late_fee")
    assert (line.description, line.added_after_issue) == (
        "Late fee (5% of $1500.00, capped at $60.00)",
        True,
    )
    assessment = LateFeeAssessment.objects.get()
    assert (assessment.firm_id, assessment.assessment_key) == (invoice.firm_id, "initial")
    assert (assessment.assessed_on, assessment.state) == (date(2025, 3, 7), "applied")
    assert (assessment.base_minor, assessment.rate) == (150_000, Decimal(5))
    assert (assessment.fee_minor, assessment.cap_applied) == (6_000, "max_fee")
    assert assessment.config["grace_days"] == 5
    event = AuditEvent.objects.get(action="late_fee_applied")
    assert (event.firm_id, event.object_id) == (invoice.firm_id, str(assessment.pk))
    message = Notification.objects.get(type="late_fee_applied")
    assert message.dedupe_key == f"late-fee:{assessment.pk}"


@at(SEVENTH)
def test_tells_renters_but_not_guarantors() -> None:
    invoice = rent()
    lease = invoice.rent_period.lease
    co_renter, guarantor = ContactFactory.create_batch(2, firm=lease.firm)
    for contact, role in ((co_renter, "co_renter"), (guarantor, "guarantor")):
        LeaseParty.objects.create(firm=lease.firm, lease=lease, contact=contact, role=role)
    apply_late_fees()
    told = set(Notification.objects.values_list("recipient_contact", flat=True))
    assert told == {lease.account.contact_id, co_renter.pk}


@at(SEVENTH)
def test_says_in_the_mail_what_was_charged_and_what_is_owed(smtp_server: MailServer) -> None:
    home = home_with(property={"name": "Maple Court"}, max_fee_minor=6_000, **PERCENT)
    lease = LeaseFactory(unit=UnitFactory(property=home, label="101"))
    rent(lease=lease, number="INV-2025-031")
    apply_late_fees()
    deliver_notifications()
    [mail] = smtp_server.messages
    assert mail.message["Subject"] == "Late fee of $60.00 on invoice INV-2025-031"
    text = mail.message.get_body(("plain",)).get_content()
    assert (
        "Invoice INV-2025-031 for Maple Court 101 was due on 1 March 2025 "
        "and has not been paid in time." in text
    )
    assert "Late fee: $60.00 (5% of $1,500.00, capped at $60.00)" in text
    assert "Now to pay on invoice INV-2025-031: $1,560.00" in text


@at(SEVENTH)
def test_does_not_mail_about_a_fee_that_was_waived_meanwhile(smtp_server: MailServer) -> None:
    rent()
    apply_late_fees()
    waive(LateFeeAssessment.objects.get())
    deliver_notifications()
    assert smtp_server.messages == []
    assert Delivery.objects.get(channel="email").reason == "waived"


@at(SEVENTH)
def test_issues_a_separate_invoice_where_the_firm_wants_it(smtp_server: MailServer) -> None:
    invoice = rent(number="INV-2024-312")
    FirmSettings.objects.filter(firm=invoice.firm).update(
        late_fee_on_separate_invoice=True, net_days=14
    )
    apply_late_fees()
    invoice.refresh_from_db()
    assert (invoice.total_minor, invoice.status, fees(invoice)) == (150_000, "overdue", [])
    assessment = LateFeeAssessment.objects.get()
    fee_invoice = assessment.fee_invoice
    assert (fee_invoice.kind, fee_invoice.total_minor) == ("manual", 5_000)
    assert fee_invoice.due_date == date(2025, 3, 21)
    assert fee_invoice.lines.get().description == "Late fee on INV-2024-312 (flat)"
    deliver_notifications()
    [mail] = smtp_server.messages
    text = mail.message.get_body(("plain",)).get_content()
    assert f"The fee is on invoice {fee_invoice.number}, due on 21 March 2025." in text
    assert "Now to pay on invoice INV-2024-312: $1,500.00" in text
    waive(assessment)
    fee_invoice.refresh_from_db()
    assert (fee_invoice.status, fee_invoice.total_minor) == ("paid", 0)
