"""What staff press on stored cards, and on charges that nobody can explain."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.billing.models import BillingAccount, Invoice, Payment, PaymentAttempt, PaymentMethod
from apps.firms.models import User
from tests.admin.world import staff_of
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    InvoiceFactory,
    PaymentAttemptFactory,
    PaymentMethodFactory,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

NOW = datetime(2025, 3, 20, 15, 0, tzinfo=UTC)
CARDS = reverse("admin:billing_paymentmethod_changelist")
ATTEMPTS = reverse("admin:billing_paymentattempt_changelist")
REASON = {"confirmed": "yes", "reason": "Looked it up"}


@pytest.fixture(autouse=True)
def now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def account() -> BillingAccount:
    made: BillingAccount = BillingAccountFactory(contact=ContactFactory(display_name="Ada"))
    return made


@pytest.fixture
def alice(account: BillingAccount) -> User:
    return staff_of(account.firm)


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def unknown(account: BillingAccount, **how: Any) -> PaymentAttempt:
    """Return an attempt whose outcome nobody could find out."""
    invoice = InvoiceFactory(
        account=account, autopay_opt_in=True, autopay_status="processing", **how
    )
    attempt: PaymentAttempt = PaymentAttemptFactory(
        invoice=invoice, status="unknown", autopay_before="scheduled"
    )
    return attempt


def press(desk: Client, where: str, action: str, *rows: Any, **typed: Any) -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in rows], **typed}
    return desk.post(where, data, follow=True)


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


# ---- charges ------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["it_was_charged", "it_never_happened"])
def test_asks_before_it_decides(desk: Client, account: BillingAccount, action: str) -> None:
    attempt = unknown(account, number="INV-7")
    page = press(desk, ATTEMPTS, action, attempt).content.decode()
    assert "INV-7, Ada: $1,500.00 asked for on 1 March 2025, 12:00 UTC" in page
    assert "Look the charge up in the gateway" in page
    attempt.refresh_from_db()
    assert attempt.status == "unknown"


def test_records_the_payment_of_a_charge_that_happened(
    desk: Client, alice: User, account: BillingAccount
) -> None:
    attempt = unknown(account, number="INV-7")
    answer = press(desk, ATTEMPTS, "it_was_charged", attempt, **REASON, gateway_ref="pi_found")
    assert said(answer) == "$1,500.00 for INV-7 recorded as pi_found."
    payment = Payment.objects.get(account=account)
    assert (payment.amount_minor, payment.gateway_ref, payment.attempt) == (
        *(150_000, "pi_found"),
        attempt,
    )
    attempt.refresh_from_db()
    attempt.invoice.refresh_from_db()
    assert (attempt.status, attempt.invoice.status) == ("succeeded", "paid")
    event = AuditEvent.objects.get(action="payment_attempt_decided")
    assert (event.actor, event.reason) == (alice, "Looked it up")


def test_frees_the_invoice_of_a_charge_that_never_happened(
    desk: Client, alice: User, account: BillingAccount
) -> None:
    first, second = unknown(account), unknown(account)
    known = PaymentAttemptFactory(invoice=InvoiceFactory(account=account), status="declined")
    answer = press(desk, ATTEMPTS, "it_never_happened", first, second, known, **REASON)
    assert said(answer).startswith(
        "2 charges released; the next run may charge again, 1 skipped: "
    )
    for attempt in (first, second):
        attempt.refresh_from_db()
        attempt.invoice.refresh_from_db()
        assert (attempt.status, attempt.invoice.autopay_status) == (
            "transient_error",
            "scheduled",
        )
    known.refresh_from_db()
    assert known.status == "declined"
    assert not Payment.objects.filter(account=account).exists()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"reason": "", "gateway_ref": "pi_1"}, "Say why."),
        ({"reason": "Seen", "gateway_ref": ""}, "This field is required."),
        ({"reason": "Seen", "gateway_ref": "ch_1"}, "The id of a payment begins with pi_."),
        ({"reason": "Seen", "gateway_ref": "pi_"}, "The id of a payment begins with pi_."),
    ],
)
def test_wants_a_reason_and_a_reference(
    desk: Client, account: BillingAccount, typed: dict[str, str], says: str
) -> None:
    attempt = unknown(account)
    answer = press(desk, ATTEMPTS, "it_was_charged", attempt, confirmed="yes", **typed)
    assert says in answer.content.decode()
    assert not Payment.objects.filter(account=account).exists()


def test_decides_about_no_charge_whose_outcome_is_known(
    desk: Client, account: BillingAccount
) -> None:
    attempt = PaymentAttemptFactory(invoice=InvoiceFactory(account=account), status="declined")
    answer = press(desk, ATTEMPTS, "it_was_charged", attempt, **REASON, gateway_ref="pi_1")
    assert "is declined" in said(answer).lower()
    assert not Payment.objects.filter(account=account).exists()


def test_a_charge_that_happened_is_one_charge(desk: Client, account: BillingAccount) -> None:
    two = unknown(account), unknown(account)
    answer = press(desk, ATTEMPTS, "it_was_charged", *two, **REASON, gateway_ref="pi_1")
    assert said(answer) == "Select one charge."


def test_can_be_found_by_what_is_open(desk: Client, account: BillingAccount) -> None:
    attempt = unknown(account)
    PaymentAttemptFactory(invoice=InvoiceFactory(account=account), status="declined")
    answer = desk.get(ATTEMPTS, {"status__exact": "unknown"})
    assert [row.pk for row in answer.context["cl"].result_list] == [attempt.pk]


@pytest.mark.parametrize("action", ["it_was_charged", "it_never_happened"])
def test_the_neighbours_charges_cannot_be_decided(desk: Client, action: str) -> None:
    theirs = unknown(BillingAccountFactory())
    press(desk, ATTEMPTS, action, theirs, **REASON, gateway_ref="pi_1")
    theirs.refresh_from_db()
    assert theirs.status == "unknown"


@pytest.mark.parametrize(
    ("where", "action"), [(ATTEMPTS, "it_never_happened"), (CARDS, "mark_as_not_chargeable")]
)
def test_who_may_only_look_is_offered_nothing(
    client: Client, account: BillingAccount, where: str, action: str
) -> None:
    user = staff_of(account.firm, rights=False)
    client.force_login(user)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_paymentattempt", "view_paymentmethod"])
    )
    attempt = unknown(account)
    assert action not in client.get(where).content.decode()
    press(client, where, action, attempt, **REASON)
    attempt.refresh_from_db()
    attempt.payment_method.refresh_from_db()
    assert (attempt.status, attempt.payment_method.status) == ("unknown", "active")


# ---- cards --------------------------------------------------------------------------------


def test_marks_cards_as_not_chargeable(
    desk: Client, alice: User, account: BillingAccount
) -> None:
    good = PaymentMethodFactory(account=account)
    dead = PaymentMethodFactory(account=account, last4="0002", status="invalid")
    answer = press(desk, CARDS, "mark_as_not_chargeable", good, dead, **REASON)
    assert said(answer) == (
        "1 card marked as not chargeable, "
        "1 skipped: the Visa ending 0002 was not chargeable before."
    )
    good.refresh_from_db()
    assert (good.status, good.invalid_reason) == ("invalid", "Looked it up")
    event = AuditEvent.objects.get(action="card_invalidated")
    assert (event.actor, event.object_id) == (alice, str(good.pk))


def test_a_customers_page_shows_their_cards_and_how_they_pay(
    desk: Client, account: BillingAccount
) -> None:
    card = PaymentMethodFactory(account=account, exp_month=8, exp_year=2030)
    PaymentMethodFactory(account=account, last4="", exp_month=None, exp_year=None)
    BillingAccount.objects.filter(pk=account.pk).update(
        autopay_enabled=True, default_payment_method=card, gateway_customer="cus_ada"
    )
    where = reverse("admin:billing_billingaccount_change", args=[account.pk])
    page = desk.get(where).content.decode()
    for part in ("Visa ending 4242", "08/2030", "stored card", "cus_ada"):
        assert part in page


def test_an_invoices_page_shows_what_was_tried(desk: Client, account: BillingAccount) -> None:
    invoice: Invoice = InvoiceFactory(account=account)
    PaymentAttemptFactory(invoice=invoice, status="declined", decline_code="insufficient_funds")
    where = reverse("admin:billing_invoice_change", args=[invoice.pk])
    page = desk.get(where).content.decode()
    for part in ("Visa ending 4242", "insufficient_funds", "Declined"):
        assert part in page
    assert PaymentMethod.objects.get(account=account).provider_ref not in page
