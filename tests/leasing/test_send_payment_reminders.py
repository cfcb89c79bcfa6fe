"""send_payment_reminders … (spec D19)."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from apps.billing.models import Invoice
from apps.billing.services import pause_dunning
from apps.contacts.models import Contact
from apps.core.problems import BadOption
from apps.firms.models import Firm, FirmSettings
from apps.leasing.models import Lease, LeaseParty, PropertyBillingConfig
from apps.leasing.services import send_payment_reminders
from apps.notifications.channels import SENDERS
from apps.notifications.email import EmailSender
from apps.notifications.models import Channel, Delivery, Notification, NotificationPreference
from apps.notifications.services import deliver_notifications
from tests.factories import (
    BillingConfigFactory,
    ContactFactory,
    FirmFactory,
    InvoiceFactory,
    LeaseFactory,
    PropertyFactory,
    SmsConsentFactory,
    UnitFactory,
)
from tests.leasing.renting import at, home_with, pay, rent
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db

TENTH = date(2025, 6, 10)


def noon(day: date) -> datetime:
    """Noon in New York, or an hour later."""
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


def days_from(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)


def run_on(*days: date, **options: int) -> list[int]:
    """Run on each of these days and return how many reminders it sent."""
    counts = []
    for day in days:
        with at(noon(day)):
            counts.append(send_payment_reminders(**options).done)
    return counts


def sent() -> list[tuple[str, str]]:
    """Return the day and the milestone of every reminder, in order."""
    return [
        (row.context["on"], row.dedupe_key.rpartition(":")[2])
        for row in Notification.objects.filter(type="payment_reminder").order_by("pk")
    ]


# ---- when


def test_reminds_on_the_days_of_the_milestones_only() -> None:
    rent(due=TENTH)
    counts = run_on(*days_from(date(2025, 6, 1), date(2025, 8, 31)))
    assert sum(counts) == 5
    assert sent() == [
        ("2025-06-07", "before_3"),
        ("2025-06-09", "before_1"),
        ("2025-06-11", "after_1"),
        ("2025-06-17", "after_7"),
        ("2025-07-10", "after_30"),
    ]


def test_catches_up_a_missed_day_with_the_actual_number_of_days() -> None:
    rent(due=TENTH)
    run_on(*days_from(date(2025, 6, 1), date(2025, 6, 6)))
    run_on(*days_from(date(2025, 6, 8), date(2025, 6, 10)))
    assert sent() == [("2025-06-08", "before_3"), ("2025-06-09", "before_1")]
    assert [row.context["days"] for row in Notification.objects.order_by("pk")] == [2, 1]


def test_sends_only_the_most_urgent_and_notes_what_it_supersedes() -> None:
    rent(due=TENTH)
    assert run_on(date(2025, 6, 7)) == [1]
    assert run_on(date(2025, 6, 20)) == [1]
    assert sent() == [("2025-06-07", "before_3"), ("2025-06-20", "after_7")]
    last = Notification.objects.order_by("pk").last()
    assert last.context["supersedes"] == ["before_1", "after_1"]
    assert last.context["days"] == -10


def test_sends_the_same_when_it_runs_every_hour() -> None:
    rent(due=TENTH)
    for day in days_from(date(2025, 6, 6), date(2025, 6, 12)):
        for hour in range(24):
            with at(datetime(2025, 6, day.day, hour, 25, tzinfo=UTC)):
                send_payment_reminders(at="09:00")
    assert [milestone for _, milestone in sent()] == ["before_3", "before_1", "after_1"]
    hours = Notification.objects.order_by("pk").values_list("created_at", flat=True)
    assert {f"{at:%H:%M}" for at in hours} == {"13:25"}  # 09:25 in New York


def test_never_mails_debts_from_before_it_was_switched_on() -> None:
    rent(due=TENTH - timedelta(days=200))
    rent(due=TENTH - timedelta(days=45))
    in_window = rent(due=TENTH - timedelta(days=44))
    assert run_on(TENTH) == [1]
    assert Notification.objects.get().subject_id == str(in_window.pk)


@pytest.mark.parametrize(
    ("zone", "too_early", "time"),
    [
        ("America/Los_Angeles", "2025-06-07T06:59:00Z", "2025-06-07T07:00:00Z"),
        ("Asia/Tokyo", "2025-06-06T14:59:00Z", "2025-06-06T15:00:00Z"),
    ],
)
def test_goes_by_the_date_at_the_property(zone: str, too_early: str, time: str) -> None:
    rent(home=PropertyFactory(timezone=zone), due=TENTH)
    with at(too_early):
        assert send_payment_reminders().done == 0
    with at(time):
        assert send_payment_reminders().done == 1


def test_keeps_to_the_days_of_the_terms() -> None:
    home = home_with(remind_days_before="10", remind_days_after="5,14")
    rent(home=home, due=TENTH)
    usual = rent(due=TENTH)
    run_on(*days_from(date(2025, 5, 20), date(2025, 7, 31)))
    own = Notification.objects.exclude(subject_id=str(usual.pk)).order_by("pk")
    assert [row.dedupe_key.rpartition(":")[2] for row in own] == [
        "before_10",
        "after_5",
        "after_14",
    ]


# ---- asked for by number


def test_sends_what_was_asked_for_and_later_still_the_usual() -> None:
    rent(due=TENTH)
    assert run_on(date(2025, 6, 5), days_before=5) == [1]
    assert run_on(date(2025, 6, 6), days_before=5) == [0]
    assert run_on(date(2025, 6, 7)) == [1]
    assert sent() == [("2025-06-05", "before_5"), ("2025-06-07", "before_3")]


def test_does_not_send_a_usual_reminder_again_by_its_number() -> None:
    rent(due=TENTH)
    assert run_on(date(2025, 6, 7)) == [1]
    assert run_on(date(2025, 6, 7), days_before=3) == [0]


def test_sends_nobody_two_reminders_on_one_day() -> None:
    rent(due=TENTH)
    assert run_on(date(2025, 6, 7)) == [1]
    assert run_on(date(2025, 6, 7), days_before=5) == [0]
    rent(due=TENTH)
    assert run_on(date(2025, 6, 7), days_before=5) == [1]
    assert run_on(date(2025, 6, 7)) == [0]


def test_replaces_only_the_list_that_was_asked_for() -> None:
    before, after = rent(due=TENTH), rent(due=TENTH - timedelta(days=14))
    assert run_on(date(2025, 6, 7), days_after=10) == [2]
    assert run_on(date(2025, 6, 8), days_before=9) == [0]
    keys = Notification.objects.order_by("pk").values_list("dedupe_key", flat=True)
    assert sorted(keys) == sorted(
        [f"rent-reminder:{before.pk}:before_3", f"rent-reminder:{after.pk}:after_10"]
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"days_before": -1}, "--days-before must be zero or a positive integer."),
        ({"days_after": 0}, "--days-after must be a positive integer."),
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"as_of": "2025-06-07"}, "--as-of can only be used with --dry-run."),
        ({"at": "9:00"}, "Invalid time '9:00'. Use HH:MM."),
    ],
)
def test_refuses_options_it_cannot_use(options: dict[str, object], sentence: str) -> None:
    rent(due=TENTH)
    with at(noon(date(2025, 6, 7))), pytest.raises(BadOption) as refusal:
        send_payment_reminders(**options)
    assert str(refusal.value) == sentence
    assert not Notification.objects.exists()


# ---- what


@pytest.mark.parametrize("status", ["draft", "paid", "void", "written_off"])
def test_leaves_invoices_alone_that_nobody_owes(status: str) -> None:
    rent(due=TENTH, status=status)
    assert run_on(date(2025, 6, 7)) == [0]


def test_leaves_disputes_and_payment_plans_alone() -> None:
    rent(due=TENTH, in_dispute=True)
    planned = rent(due=TENTH)
    with at(noon(date(2025, 6, 5))):
        pause_dunning(invoice=planned, until=date(2025, 6, 9), actor=None, reason="a plan")
    assert run_on(date(2025, 6, 7), date(2025, 6, 9), date(2025, 6, 10)) == [0, 0, 1]


@pytest.mark.parametrize("status", [Lease.Status.ENDED, Lease.Status.TERMINATED])
def test_reminds_of_ended_leases_only_when_their_debt_is_overdue(status: str) -> None:
    invoice = rent(due=TENTH)
    Lease.objects.filter(pk=invoice.rent_period.lease_id).update(status=status)
    assert run_on(date(2025, 6, 7), date(2025, 6, 10), date(2025, 6, 11)) == [0, 0, 1]


def test_reminds_of_manual_invoices_to_renters() -> None:
    lease = LeaseFactory(unit=UnitFactory(property=home_with(property={"name": "Maple"})))
    mine = InvoiceFactory(account=lease.account, kind="manual", due_date=TENTH)
    InvoiceFactory(kind="manual", due_date=TENTH)  # to somebody who rents nothing
    InvoiceFactory(account=lease.account, kind="work", due_date=TENTH)
    assert run_on(date(2025, 6, 7)) == [1]
    reminder = Notification.objects.get()
    assert reminder.subject_id == str(mine.pk)
    assert reminder.context["home"] == str(lease.unit)


def test_goes_by_the_living_lease_of_a_manual_invoices_account() -> None:
    old = LeaseFactory(
        unit__property__timezone="Asia/Tokyo", status=Lease.Status.ENDED,
        start_date=date(2025, 1, 1),
    )  # fmt: skip
    InvoiceFactory(account=old.account, kind="manual", due_date=TENTH)
    home = PropertyFactory(firm=old.firm, timezone="America/Los_Angeles")
    LeaseFactory(unit=UnitFactory(property=home), account=old.account)
    LeaseFactory(unit=UnitFactory(property=home), account=old.account, status="draft")
    with at("2025-06-07T06:59:00Z"):
        assert send_payment_reminders().done == 0
    with at("2025-06-07T07:00:00Z"):
        assert send_payment_reminders().done == 1
    assert Notification.objects.count() == 1


def test_waits_for_a_bank_payment_that_covers_the_balance() -> None:
    covered, short = rent(due=TENTH), rent(due=TENTH)
    with at("2025-06-06T12:00:00Z"):
        pay(covered, 150_000, on=date(2025, 6, 6), status="pending")
        pay(short, 149_999, on=date(2025, 6, 6), status="pending")
    with at(noon(date(2025, 6, 7))):
        report = send_payment_reminders()
    assert (report.done, report.skipped) == (1, 1)
    assert Notification.objects.get().subject_id == str(short.pk)


# ---- whom, and how


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


@pytest.fixture
def text_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve text messages: registering a sender is all it takes (nothing is sent here)."""
    monkeypatch.setitem(SENDERS, Channel.SMS, EmailSender)  # type: ignore[arg-type]


def with_phone(invoice: Invoice) -> Contact:
    contact: Contact = invoice.account.contact
    contact.phone = "+12125550123"
    contact.save()
    SmsConsentFactory(firm=contact.firm, recipient_key=f"contact:{contact.pk}")
    return contact


def channels_of(invoice: Invoice) -> set[str]:
    rows = Delivery.objects.filter(notification__subject_id=str(invoice.pk))
    return set(rows.values_list("channel", flat=True))


@pytest.mark.usefixtures("text_messages")
def test_uses_text_messages_with_consent_and_not_after_an_opt_out() -> None:
    agreed, opted_out, never_asked = (rent(due=TENTH) for _ in range(3))
    with_phone(agreed)
    key = f"contact:{with_phone(opted_out).pk}"
    NotificationPreference.objects.filter(recipient_key=key).update(wanted=False)
    never_asked.account.contact.phone = "+12125550199"
    never_asked.account.contact.save()
    assert run_on(date(2025, 6, 7)) == [3]
    assert channels_of(agreed) == {"email", "sms", "in_app"}
    assert channels_of(opted_out) == channels_of(never_asked) == {"email", "in_app"}


@pytest.mark.usefixtures("text_messages")
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


# ---- what people read


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


@pytest.mark.usefixtures("text_messages")
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


# ---- only for whom, and at what cost


def test_leaves_other_and_suspended_firms_alone() -> None:
    mine, neighbour = rent(due=TENTH), rent(due=TENTH)
    suspended = FirmFactory(status=Firm.Status.SUSPENDED)
    rent(home=PropertyFactory(firm=suspended), due=TENTH)
    assert run_on(date(2025, 6, 7), firm_id=mine.firm_id) == [1]
    assert Notification.objects.get().firm == mine.firm
    assert run_on(date(2025, 6, 7)) == [1]
    assert Notification.objects.order_by("pk").last().firm == neighbour.firm


def test_says_which_firm_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    firm = FirmFactory(status=Firm.Status.CLOSED)
    with at(noon(date(2025, 6, 7))):
        call_command("send_payment_reminders", firm_id=firm.pk)
    assert f"Firm {firm.pk} is closed; skipped.\n" in capsys.readouterr().out


def test_spares_the_others_when_the_terms_of_one_cannot_be_read() -> None:
    good = rent(due=TENTH)
    bad = rent(home=PropertyFactory(firm=good.firm), due=TENTH)
    lease = bad.rent_period.lease
    BillingConfigFactory(property=lease.unit.property, remind_days_before="3;1")
    neighbour = rent(due=TENTH)
    with at(noon(date(2025, 6, 7))):
        report = send_payment_reminders()
    assert (report.done, report.failed) == (2, 1)
    told = set(Notification.objects.values_list("subject_id", flat=True))
    assert told == {str(good.pk), str(neighbour.pk)}


def test_spares_the_others_when_one_cannot_be_told() -> None:
    good, bad = rent(due=TENTH), rent(due=TENTH)
    Invoice.objects.filter(pk=bad.pk).update(currency="XXZ")  # no such currency
    with at(noon(date(2025, 6, 7))):
        report = send_payment_reminders()
    assert (report.done, report.failed) == (1, 1)
    assert Notification.objects.get().subject_id == str(good.pk)


def test_leaves_no_trace_in_a_dry_run() -> None:
    rent(due=TENTH)
    with at(noon(date(2025, 6, 7))):
        assert send_payment_reminders(dry_run=True).done == 1
    assert Notification.objects.count() == Delivery.objects.count() == 0


@at("2025-06-01T12:00:00Z")
def test_looks_at_another_day_in_a_dry_run() -> None:
    rent(due=TENTH)
    assert send_payment_reminders(dry_run=True).done == 0
    assert send_payment_reminders(dry_run=True, as_of="2025-06-07", at="23:59").done == 1


@pytest.mark.parametrize("manual", [False, True])
def test_costs_the_same_statements_for_few_and_for_many(manual: bool) -> None:
    home = PropertyFactory()
    costs = []
    for count in (2, 20):
        for _ in range(count):
            if manual:
                lease = LeaseFactory(unit=UnitFactory(property=home))
                InvoiceFactory(account=lease.account, kind="manual", due_date=TENTH)
            else:
                rent(home=home, due=TENTH)
        with (
            at(noon(date(2025, 6, 7))),
            CaptureQueriesContext(connection) as queries,
        ):
            assert send_payment_reminders().done == count
        costs.append(len(queries))
    assert costs[1] <= costs[0]


def test_reads_no_invoices_outside_every_window() -> None:
    home = home_with()
    costs = []
    for count in (1, 20):
        for _ in range(count):
            rent(home=home, due=TENTH)
            rent(home=home, due=TENTH - timedelta(days=100))
        with at(noon(date(2025, 6, 1))), CaptureQueriesContext(connection) as queries:
            assert send_payment_reminders().done == 0
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert PropertyBillingConfig.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_reminds_once_when_two_runs_meet() -> None:
    home = PropertyFactory()
    for _ in range(20):
        rent(home=home, due=datetime.now(UTC).date())
    outcomes: list[tuple[int, int]] = []

    def run() -> None:
        try:
            report = send_payment_reminders()
            outcomes.append((report.done, report.failed))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done for done, _ in outcomes) == 20
    assert [failed for _, failed in outcomes] == [0, 0]
    assert Notification.objects.count() == 20
