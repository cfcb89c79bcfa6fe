"""Stored cards: what comes, what goes, and which one is charged."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apps.audit.models import AuditEvent
from apps.billing.models import BillingAccount, Invoice, PaymentMethod
from apps.billing.services.cards import (
    detach_card,
    invalidate_card,
    store_card,
    update_card,
    usable_cards,
)
from apps.core.problems import Problem
from apps.integrations.payments import Card
from tests.billing.ledger import pay
from tests.factories import (
    BillingAccountFactory,
    InvoiceFactory,
    PaymentMethodFactory,
    UserFactory,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
VISA = Card(
    id="pm_new", customer="cus_ada", brand="visa", last4="4242", exp_month=8, exp_year=2030
)


def store(account: BillingAccount, card: Card = VISA) -> PaymentMethod:
    return store_card(account=account, provider="stripe", card=card, now=NOW)


def autopay(invoice: Invoice) -> tuple[str, int, datetime | None]:
    invoice.refresh_from_db()
    return (
        invoice.autopay_status,
        invoice.autopay_failure_count,
        invoice.autopay_next_charge_at,
    )


def waiting(status: str, **how: object) -> Invoice:
    invoice: Invoice = InvoiceFactory(
        autopay_opt_in=True, autopay_status=status, autopay_failure_count=2, **how
    )
    return invoice


# ---- storing ------------------------------------------------------------------------------


def test_a_new_card_becomes_the_default() -> None:
    account = BillingAccountFactory()
    older = PaymentMethodFactory(account=account)
    account.default_payment_method = older
    account.save()
    method = store(account)
    account.refresh_from_db()
    assert account.default_payment_method == method
    assert account.gateway_customer == "cus_ada"
    assert (method.brand, method.last4, method.exp_month, method.exp_year, method.status) == (
        *("visa", "4242", 8, 2030),
        PaymentMethod.Status.ACTIVE,
    )
    older.refresh_from_db()
    assert older.status == PaymentMethod.Status.ACTIVE


@pytest.mark.parametrize("status", ["failed", "needs_action", "retrying"])
def test_a_new_card_gives_waiting_invoices_another_chance(status: str) -> None:
    invoice = waiting(status)
    store(invoice.account)
    assert autopay(invoice) == ("scheduled", 0, NOW)
    event = AuditEvent.objects.get(action="autopay_scheduled_again")
    assert (event.object_id, event.changes) == (
        str(invoice.pk),
        {"autopay_status": [status, "scheduled"]},
    )


@pytest.mark.parametrize(
    ("status", "how"),
    [
        ("processing", {}),  # under way: its outcome decides
        ("succeeded", {}),
        ("cancelled", {}),
        ("", {}),
        ("failed", {"status": "void"}),
        ("failed", {"status": "written_off"}),
    ],
)
def test_a_new_card_leaves_other_invoices_alone(status: str, how: dict[str, object]) -> None:
    invoice = InvoiceFactory(autopay_status=status, autopay_failure_count=2)
    Invoice.objects.filter(pk=invoice.pk).update(**how)
    store(invoice.account)
    assert autopay(invoice) == (status, 2, None)


def test_a_new_card_is_not_charged_for_what_was_paid_otherwise() -> None:
    invoice = waiting("failed")
    pay(invoice.account, 150_000, invoices=[invoice])
    store(invoice.account)
    assert autopay(invoice) == ("failed", 2, None)


def test_a_new_card_does_nothing_for_another_customer_of_the_firm() -> None:
    theirs = waiting("failed")
    store(BillingAccountFactory(contact__firm=theirs.firm))
    assert autopay(theirs) == ("failed", 2, None)


def test_the_same_card_again_changes_nothing() -> None:
    invoice = waiting("failed")
    store(invoice.account)
    Invoice.objects.filter(pk=invoice.pk).update(autopay_status="failed")
    other = PaymentMethodFactory(account=invoice.account)
    BillingAccount.objects.filter(pk=invoice.account_id).update(default_payment_method=other)
    events = AuditEvent.objects.count()
    method = store(invoice.account)
    invoice.account.refresh_from_db()
    assert invoice.account.default_payment_method == other
    assert autopay(invoice)[0] == "failed"
    assert PaymentMethod.objects.filter(provider_ref="pm_new").get() == method
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize("status", ["invalid", "detached"])
def test_an_old_event_does_not_bring_a_card_back(status: str) -> None:
    account = BillingAccountFactory()
    PaymentMethodFactory(
        account=account, provider_ref="pm_new", status=status, invalid_reason="stolen_card"
    )
    assert store(account).status == status


def test_a_card_of_another_gateway_customer_is_refused() -> None:
    account = BillingAccountFactory(gateway_customer="cus_bob")
    with pytest.raises(Problem, match="The card pm_new belongs to another customer"):
        store(account)
    assert not PaymentMethod.objects.filter(account=account).exists()


def test_a_card_of_another_account_is_refused() -> None:
    mine = BillingAccountFactory()
    PaymentMethodFactory(
        account=BillingAccountFactory(contact__firm=mine.firm), provider_ref="pm_new"
    )
    with pytest.raises(Problem, match="belongs to another customer"):
        store(mine)


def test_two_firms_may_store_the_same_reference() -> None:
    first, second = store(BillingAccountFactory()), store(BillingAccountFactory())
    assert first.firm_id != second.firm_id
    assert PaymentMethod.objects.filter(provider_ref="pm_new").count() == 2


# ---- changing -----------------------------------------------------------------------------


def test_an_updated_card_shows_its_new_number_and_date() -> None:
    method = PaymentMethodFactory(provider_ref="pm_new", last4="1111", exp_year=2025)
    assert update_card(firm=method.firm, provider="stripe", card=VISA) is True
    method.refresh_from_db()
    assert (method.last4, method.exp_month, method.exp_year) == ("4242", 8, 2030)
    assert AuditEvent.objects.get(action="card_updated").changes == {
        "exp_month": [12, 8],
        "exp_year": [2025, 2030],
        "last4": ["1111", "4242"],
    }


@pytest.mark.parametrize(
    ("reason", "year", "status"),
    [
        ("expired_card", 2030, "active"),
        ("expired_card", 2024, "invalid"),  # not renewed
        ("stolen_card", 2030, "invalid"),
        ("asked to by phone", 2030, "invalid"),
    ],
)
def test_only_a_renewed_card_that_had_expired_comes_back(
    reason: str, year: int, status: str
) -> None:
    method = PaymentMethodFactory(
        provider_ref="pm_new", status="invalid", invalid_reason=reason, exp_year=2024
    )
    update_card(firm=method.firm, provider="stripe", card=replace(VISA, exp_year=year))
    method.refresh_from_db()
    assert method.status == status
    assert method.invalid_reason == ("" if status == "active" else reason)


def test_an_unknown_card_is_nobodys() -> None:
    method = PaymentMethodFactory(provider_ref="pm_new", last4="1111")
    neighbour = BillingAccountFactory().firm
    assert update_card(firm=neighbour, provider="stripe", card=VISA) is False
    assert detach_card(firm=neighbour, provider="stripe", provider_ref="pm_new") is False
    method.refresh_from_db()
    assert (method.last4, method.status) == ("1111", "active")


# ---- ending -------------------------------------------------------------------------------


def test_a_card_is_invalidated_once() -> None:
    method, actor = PaymentMethodFactory(), UserFactory()
    assert invalidate_card(method=method, reason="stolen_card", actor=actor) is True
    assert invalidate_card(method=method, reason="lost_card") is False
    method.refresh_from_db()
    assert (method.status, method.invalid_reason) == ("invalid", "stolen_card")
    event = AuditEvent.objects.get(action="card_invalidated")
    assert (event.actor, event.reason) == (actor, "stolen_card")
    assert event.changes == {"status": ["active", "invalid"]}


def test_a_long_reason_is_kept_whole_in_the_audit_trail() -> None:
    method, reason = PaymentMethodFactory(), "The customer has asked us on the phone " * 3
    invalidate_card(method=method, reason=reason)
    method.refresh_from_db()
    assert method.invalid_reason == reason[:60]
    assert AuditEvent.objects.get(action="card_invalidated").reason == reason


@pytest.mark.parametrize("status", ["active", "invalid"])
def test_a_card_that_was_taken_away_is_detached(status: str) -> None:
    method = PaymentMethodFactory(provider_ref="pm_new", status=status)
    assert detach_card(firm=method.firm, provider="stripe", provider_ref="pm_new") is True
    assert detach_card(firm=method.firm, provider="stripe", provider_ref="pm_new") is False
    method.refresh_from_db()
    assert method.status == "detached"
    assert AuditEvent.objects.filter(action="card_detached").count() == 1


# ---- which one is charged -----------------------------------------------------------------


def test_the_default_card_is_charged_else_the_newest_that_can_be(
    django_assert_num_queries: object,
) -> None:
    with_default, without, dead, none = BillingAccountFactory.create_batch(4)
    default = PaymentMethodFactory(account=with_default)
    PaymentMethodFactory(account=with_default)
    with_default.default_payment_method = default
    with_default.save()
    PaymentMethodFactory(account=without)
    newest = PaymentMethodFactory(account=without)
    detached = PaymentMethodFactory(account=without, status="detached")
    without.default_payment_method = detached
    without.save()
    PaymentMethodFactory(account=dead, status="invalid")
    wanted = [one.pk for one in (with_default, without, dead, none)]
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = usable_cards(wanted)
    assert found == {with_default.pk: default, without.pk: newest}


def test_a_printed_date_that_has_passed_does_not_matter() -> None:
    method = PaymentMethodFactory(exp_year=2019)
    assert usable_cards([method.account_id]) == {method.account_id: method}


def test_nobodys_card_is_charged_for_nobody() -> None:
    PaymentMethodFactory()
    assert usable_cards([]) == {}
