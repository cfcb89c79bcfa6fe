"""Payment reminders reach … (spec D19 "Effect", "Output")."""

from datetime import UTC, date, datetime

import pytest
from django.core.management import call_command

from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.firms.models import FirmSettings
from apps.leasing.models import LeaseParty
from apps.leasing.services import send_payment_reminders
from apps.notifications.models import Channel, Delivery, Notification, NotificationPreference
from apps.notifications.services import deliver_notifications
from tests.factories import (
    ContactFactory,
    FirmFactory,
    GatewayAccountFactory,
    LeaseFactory,
    PropertyFactory,
    SmsConsentFactory,
    UnitFactory,
)
from tests.leasing.reminding import TENTH, noon, run_on
from tests.leasing.renting import at, pay, rent
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db


# ---- whom, and how --------------------------------------------------------------


def test_tells_renters_but_not_guarantors_nor_the_erased() -> None:
    invoice = rent(due=TENTH)
    lease = invoice.rent_period.lease
    roles = {
        "co_renter": ContactFactory(firm=lease.firm),
        "guarantor": ContactFactory(firm=lease.firm),
        "primary": ContactFactory(firm=lease.firm, erased_at=datetime(2025, 1, 1, tzinfo=UTC)),
    }
    for role, contact in roles.items():
        LeaseParty.objects.create(firm=lease.firm, lease=lease, contact=contact, role=role)
    assert run_on(date(2025, 6, 7)) == [1]
    told = set(Notification.objects.values_list("recipient_contact", flat=True))
    assert told == {lease.account.contact_id, roles["co_renter"].pk}


def test_tells_a_renter_who_has_not_heard_of_it_yet() -> None:
    invoice = rent(due=TENTH)
    lease = invoice.rent_period.lease
    assert run_on(date(2025, 6, 7)) == [1]
    late_comer = ContactFactory(firm=lease.firm)
    LeaseParty.objects.create(firm=lease.firm, lease=lease, contact=late_comer)
    assert run_on(date(2025, 6, 7), date(2025, 6, 7)) == [1, 0]
    assert Notification.objects.filter(recipient_contact=late_comer).count() == 1


def with_phone(invoice: Invoice) -> Contact:
    contact: Contact = invoice.account.contact
    contact.phone = "+12125550123"
    contact.save()
    SmsConsentFactory(firm=contact.firm, recipient_key=f"contact:{contact.pk}")
    if not contact.firm.gateway_accounts.exists():
        GatewayAccountFactory(firm=contact.firm, provider="twilio")
    return contact


def channels_of(invoice: Invoice) -> set[str]:
    rows = Delivery.objects.filter(notification__subject_id=str(invoice.pk))
    return set(rows.values_list("channel", flat=True))


def test_uses_text_messages_with_consent_and_not_after_an_opt_out() -> None:
    agreed, opted_out, never_asked = (rent(due=TENTH) for _ in range(3))
    with_phone(agreed)
    key = f"contact:{with_phone(opted_out).pk}"
    NotificationPreference.objects.filter(recipient_key=key).update(wanted=False)
    never_asked.account.contact.phone = "+12125550199"
    never_asked.account.contact.save()
    GatewayAccountFactory(firm=never_asked.firm, provider="twilio")
    assert run_on(date(2025, 6, 7)) == [3]
    assert channels_of(agreed) == {"email", "sms", "in_app"}
    assert channels_of(opted_out) == channels_of(never_asked) == {"email", "in_app"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"reminders_by_sms": False}, {"email", "in_app"}),
        ({"reminders_by_email": False}, {"sms", "in_app"}),
        ({"reminders_in_app": False}, {"email", "sms"}),
        ({"reminders_by_email": False, "reminders_by_sms": False}, {"in_app"}),
    ],
)
def test_uses_the_channels_the_firm_has_chosen(
    choice: dict[str, bool], expected: set[str]
) -> None:
    invoice = rent(due=TENTH)
    with_phone(invoice)
    FirmSettings.objects.filter(firm=invoice.firm).update(**choice)
    assert run_on(date(2025, 6, 7)) == [1]
    assert channels_of(invoice) == expected


def test_says_nothing_for_a_firm_that_reminds_nobody() -> None:
    invoice = rent(due=TENTH)
    FirmSettings.objects.filter(firm=invoice.firm).update(
        reminders_by_email=False, reminders_by_sms=False, reminders_in_app=False
    )
    assert run_on(date(2025, 6, 7)) == [0]
    assert not Notification.objects.exists()


def test_counts_a_renter_whom_nothing_reaches_once(capsys: pytest.CaptureFixture[str]) -> None:
    invoice = rent(due=TENTH, number="INV-2025-031")
    Contact.objects.update(email="")
    FirmSettings.objects.filter(firm=invoice.firm).update(reminders_in_app=False)
    for skipped in (1, 0):
        with at(noon(date(2025, 6, 7))):
            call_command("send_payment_reminders")
        out = capsys.readouterr().out
        line = "  ⚠ INV-2025-031: due in 3 days, nobody can be reached (no address)\n"
        assert (line in out) == bool(skipped)
        assert f"  Skipped: {skipped}\n" in out
    assert Notification.objects.get().status == "undeliverable"


# ---- what people read --------------------------------------------------------------


def mail_text(server: MailServer) -> tuple[str, str]:
    [mail] = server.messages
    return mail.message["Subject"], mail.message.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("day", "subject", "words"),
    [
        (date(2025, 6, 7), "is due in 3 days", "is due in 3 days, on 10 June 2025."),
        (date(2025, 6, 9), "is due in 1 day", "is due in 1 day, on 10 June 2025."),
        (date(2025, 6, 10), "is due today", "is due today, 10 June 2025."),
        (
            date(2025, 6, 11),
            "is 1 day overdue",
            "is 1 day overdue; it was due on 10 June",
        ),
        (date(2025, 6, 18), "is 8 days overdue", "is 8 days overdue; it was due on 10 June"),
    ],
)
def test_mails_plain_words(
    day: date, subject: str, words: str, smtp_server: MailServer
) -> None:
    home = PropertyFactory(name="Maple Court")
    lease = LeaseFactory(unit=UnitFactory(property=home, label="101"))
    invoice = rent(lease=lease, due=TENTH, number="INV-2025-031")
    with at(noon(day)):
        pay(invoice, 30_000, on=day)
        send_payment_reminders()
        deliver_notifications()
    found, text = mail_text(smtp_server)
    assert found == f"Reminder: invoice INV-2025-031 {subject}"
    assert f"Invoice INV-2025-031 for Maple Court 101 {words}" in text
    assert "To pay: $1,200.00" in text
    wish = "as soon as you can" if day > TENTH else "by the due date"
    assert f"Please pay {wish}. If you have paid already, thank you." in text


@pytest.mark.parametrize(
    ("autopay", "day", "charged_on"),
    [
        ({"autopay_status": "scheduled"}, date(2025, 6, 9), "10 June 2025"),
        (
            {
                "autopay_status": "retrying",
                "autopay_next_charge_at": datetime(2025, 6, 10, 3, 59, tzinfo=UTC),
            },
            date(2025, 6, 9),
            "9 June 2025",
        ),
        ({"autopay_status": "failed"}, date(2025, 6, 9), ""),
        ({"autopay_status": "needs_action"}, date(2025, 6, 9), ""),
        ({"autopay_status": "scheduled", "autopay_opt_in": False}, date(2025, 6, 9), ""),
        ({"autopay_status": "scheduled"}, date(2025, 6, 11), ""),
    ],
)
def test_announces_a_card_charge_instead_of_asking_for_money(
    autopay: dict[str, object], day: date, charged_on: str, smtp_server: MailServer
) -> None:
    rent(due=TENTH, number="INV-2025-031", **({"autopay_opt_in": True} | autopay))
    with at(noon(day)):
        send_payment_reminders()
        deliver_notifications()
    subject, text = mail_text(smtp_server)
    if charged_on:
        assert subject == f"Invoice INV-2025-031 will be charged on {charged_on}"
        assert f"It will be charged on {charged_on}; there is nothing for you to do." in text
        assert "Please pay" not in text
    else:
        assert subject.startswith("Reminder: ")
        assert "will be charged" not in text
        assert "Please pay" in text


def test_puts_several_invoices_of_a_renter_into_one_message(smtp_server: MailServer) -> None:
    lease = LeaseFactory()
    rent(lease=lease, due=TENTH, number="INV-2025-031")
    rent(lease=lease, due=date(2025, 5, 10), number="INV-2025-020")
    with at(noon(date(2025, 6, 9))):
        assert send_payment_reminders().done == 2
        deliver_notifications()
    subject, text = mail_text(smtp_server)
    assert subject == "Reminder: 2 invoices to pay"
    home = lease.unit
    first = (
        f"Invoice INV-2025-020 for {home}: $1,500.00, "
        "30 days overdue; it was due on 10 May 2025."
    )
    second = f"Invoice INV-2025-031 for {home}: $1,500.00, due in 1 day, on 10 June 2025."
    assert text.index(first) < text.index(second)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"paid_minor": 150_000, "status": "paid"}, "paid"),
        ({"status": "void"}, "void"),
        ({"in_dispute": True}, "in dispute"),
        ({"dunning_paused_until": date(2025, 6, 7)}, "paused"),
    ],
)
def test_delivers_nothing_that_was_settled_meanwhile(
    change: dict[str, object], reason: str, smtp_server: MailServer
) -> None:
    settled, still_open = rent(due=TENTH), rent(due=TENTH)
    with at(noon(date(2025, 6, 7))):
        send_payment_reminders()
        Invoice.objects.filter(pk=settled.pk).update(**change)
        deliver_notifications()
    [mail] = smtp_server.messages
    assert mail.recipients == [still_open.account.contact.email]
    delivery = Delivery.objects.get(
        notification__subject_id=str(settled.pk), channel=Channel.EMAIL
    )
    assert (delivery.status, delivery.reason) == ("skipped", reason)


def test_prints_what_the_specification_shows(capsys: pytest.CaptureFixture[str]) -> None:
    firm = FirmFactory()
    home = PropertyFactory(firm=firm)
    texted = rent(home=home, due=date(2025, 6, 13), number="INV-2025-031")
    with_phone(texted)
    rent(home=home, due=date(2025, 6, 3), number="INV-2025-020")
    rent(home=home, due=date(2025, 6, 9), number="INV-2025-032")
    unmailed = rent(home=home, due=date(2025, 6, 10), number="INV-2025-033")
    Contact.objects.filter(pk=unmailed.account.contact_id).update(email="")
    covered = rent(home=home, due=date(2025, 6, 11), number="INV-2025-034")
    lines = (
        "  ✓ INV-2025-031: due in 3 days, {0} (email, sms)\n"
        "  ✓ INV-2025-020: 7 days overdue, {0} (email)\n"
        "  ✓ INV-2025-032: 1 day overdue, {0} (email)\n"
        "  ✓ INV-2025-033: due today, {0} (in_app)\n"
    )
    summary = "\nSummary:\n  Upcoming reminders: {}\n  Overdue reminders: {}\n"
    waits = "  - INV-2025-034: a bank payment is under way, no reminder\n"
    with at(noon(TENTH)):
        pay(covered, 150_000, on=TENTH, status="pending")
        call_command("send_payment_reminders", dry_run=True)
        assert capsys.readouterr().out == (
            "Sending payment reminders...\n"
            + waits
            + lines.format("would send reminder")
            + summary.format(2, 2)
            + "  Skipped: 1\n  Errors: 0\n"
        )
        call_command("send_payment_reminders")
        assert capsys.readouterr().out == (
            "Sending payment reminders...\n"
            + waits
            + lines.format("reminder sent")
            + summary.format(2, 2)
            + "  Skipped: 1\n  Errors: 0\n"
        )
        call_command("send_payment_reminders")
        assert capsys.readouterr().out == (
            "Sending payment reminders...\n"
            + waits
            + summary.format(0, 0)
            + "  Skipped: 1\n  Errors: 0\n"
        )
