"""Account credit: granted, used oldest first, taken back, never below nothing."""

from datetime import date

import pytest
from django.db import IntegrityError, transaction

from apps.audit.models import AuditEvent
from apps.billing import services
from apps.billing.models import AccountCredit, BillingAccount
from apps.billing.services import CreditDraft
from apps.core.problems import Problem
from tests.billing.ledger import LATER, NOW, TODAY, credit, figures, pay
from tests.factories import BillingAccountFactory, InvoiceFactory

pytestmark = pytest.mark.usefixtures("books")

REWARD = AccountCredit.Kind.REWARD


def grant(account: BillingAccount, minor: int, *, on: date = TODAY) -> AccountCredit:
    return services.grant_credit(
        account=account, amount_minor=minor, kind=REWARD, effective_on=on, note="Thank you"
    )


def test_grants_one() -> None:
    account = BillingAccountFactory()
    row = grant(account, 4_000)
    assert (row.amount_minor, row.kind, row.currency, row.note, row.effective_on) == (
        4_000,
        "reward",
        "USD",
        "Thank you",
        TODAY,
    )
    assert credit(account) == 4_000


def test_grants_many_with_as_many_statements_as_one(
    django_assert_num_queries: pytest.FixtureRequest,
) -> None:
    accounts = BillingAccountFactory.create_batch(3)
    drafts = [
        CreditDraft(account, amount, REWARD, TODAY)
        for account, amount in zip([*accounts, accounts[0]], [1, 2, 3, 4], strict=True)
    ]
    with django_assert_num_queries(2):  # type: ignore[operator]
        rows = services.grant_credits(drafts)
    assert [row.amount_minor for row in rows] == [1, 2, 3, 4]
    assert [credit(account) for account in accounts] == [5, 2, 3]


@pytest.mark.parametrize("minor", [0, -5])
def test_refuses_a_grant_that_is_not_positive(minor: int) -> None:
    with pytest.raises(Problem, match="more than zero"):
        grant(BillingAccountFactory(), minor)


@pytest.mark.parametrize("kind", ["applied", "returned", "reversed"])
def test_refuses_a_grant_that_only_the_ledger_may_make(kind: str) -> None:
    draft = CreditDraft(BillingAccountFactory(), 100, AccountCredit.Kind(kind), TODAY)
    with pytest.raises(Problem, match="cannot be granted"):
        services.grant_credits([draft])


def test_pays_an_invoice() -> None:
    invoice = InvoiceFactory(total_minor=200_000)
    pay(invoice.account, 600_000, invoices=[])
    assert services.use_credit(invoice=invoice, today=TODAY, now=NOW) == 200_000
    assert figures(invoice) == (200_000, 0, 200_000, "paid")
    assert (invoice.paid_at, credit(invoice.account)) == (NOW, 400_000)


def test_pays_what_it_can() -> None:
    invoice = InvoiceFactory(total_minor=200_000)
    grant(invoice.account, 50_000)
    assert services.use_credit(invoice=invoice, today=TODAY, now=NOW) == 50_000
    assert figures(invoice) == (200_000, 0, 50_000, "sent")
    assert services.use_credit(invoice=invoice, today=TODAY, now=NOW) == 0


def test_pays_nothing_on_a_void_invoice() -> None:
    invoice = InvoiceFactory()
    services.void_invoice(invoice=invoice, actor=None, reason="", today=TODAY, now=NOW)
    grant(invoice.account, 100)
    assert services.use_credit(invoice=invoice, today=TODAY, now=NOW) == 0


def test_counts_as_paid_on_the_day_the_money_came_in() -> None:
    invoice = InvoiceFactory(total_minor=250)
    for day in (3, 1, 2):
        grant(invoice.account, 100, on=date(2025, 2, day))
    services.use_credit(invoice=invoice, today=TODAY, now=NOW)
    used = AccountCredit.objects.get(invoice=invoice, kind="applied")
    assert (used.amount_minor, used.effective_on) == (-250, date(2025, 2, 3))


def test_is_used_oldest_first_also_the_second_time() -> None:
    march = InvoiceFactory(total_minor=150)
    april = InvoiceFactory(account=march.account, total_minor=50)
    for day in (1, 2, 3):
        grant(march.account, 100, on=date(2025, 2, day))
    for invoice in (march, april):
        services.use_credit(invoice=invoice, today=TODAY, now=NOW)
    assert AccountCredit.objects.get(invoice=march).effective_on == date(2025, 2, 2)
    assert AccountCredit.objects.get(invoice=april).effective_on == date(2025, 2, 2)


def test_goes_to_the_first_due_invoice_first() -> None:
    april = InvoiceFactory(total_minor=100, due_date=date(2025, 4, 1))
    march = InvoiceFactory(account=april.account, total_minor=100, due_date=date(2025, 3, 1))
    grant(april.account, 130)
    used = services.apply_credit_oldest_first(account=april.account, today=TODAY, now=NOW)
    assert used == 130
    assert figures(march) == (100, 0, 100, "paid")
    assert figures(april) == (100, 0, 30, "sent")


def test_stays_when_nothing_is_open() -> None:
    account = BillingAccountFactory()
    grant(account, 130)
    assert services.apply_credit_oldest_first(account=account, today=TODAY, now=NOW) == 0
    assert credit(account) == 130


def test_can_be_taken_back_once() -> None:
    account = BillingAccountFactory()
    row = grant(account, 100)
    grant(account, 50)
    taken = services.reverse_credit(credit=row, today=LATER, reason="Late after all")
    again = services.reverse_credit(credit=row, today=LATER)
    assert again == taken
    assert (taken.kind, taken.amount_minor, taken.effective_on) == ("reversed", -100, LATER)
    assert credit(account) == 50
    assert AuditEvent.objects.get(action="credit_reversed").reason == "Late after all"


def test_cannot_be_taken_back_when_used() -> None:
    invoice = InvoiceFactory(total_minor=60)
    row = grant(invoice.account, 100)
    services.use_credit(invoice=invoice, today=TODAY, now=NOW)
    with pytest.raises(Problem, match=r"^Only \$0\.40 of the account's credit is left\.$"):
        services.reverse_credit(credit=row, today=LATER)
    assert credit(invoice.account) == 40


def test_of_a_payment_is_refunded_instead() -> None:
    account = BillingAccountFactory()
    pay(account, 100)
    with pytest.raises(Problem, match="refund the payment"):
        services.reverse_credit(credit=AccountCredit.objects.get(account=account), today=TODAY)


def test_below_nothing_is_refused_by_the_database() -> None:
    account = BillingAccountFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        BillingAccount.objects.filter(pk=account.pk).update(credit_minor=-1)
