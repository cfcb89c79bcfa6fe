"""Whatever is paid, refunded, charged and voided, in any order: the books add up."""

from collections.abc import Callable

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.billing import services
from apps.billing.models import AccountCredit, Invoice, InvoiceLine, Payment
from apps.core.problems import Problem
from tests.billing.ledger import LATER, NOW, TODAY, add_fees, credit, pay
from tests.factories import BillingAccountFactory, InvoiceFactory

pytestmark = pytest.mark.django_db

Act = Callable[["World", int, int], None]
DAYS = {"today": TODAY, "now": NOW}


def _pay(world: "World", which: int, minor: int) -> None:
    world.payments.append(pay(world.account, minor))
    world.came_in += minor


def _pay_one(world: "World", which: int, minor: int) -> None:
    world.payments.append(pay(world.account, minor, invoices=[world.invoice(which)]))
    world.came_in += minor


def _refund(world: "World", which: int, minor: int) -> None:
    if world.payments:
        services.refund_payment(payment=world.payment(which), amount_minor=minor, **DAYS)
        world.came_in -= minor


def _bounce(world: "World", which: int, minor: int) -> None:
    if world.payments:
        payment = world.payment(which)
        left = world.left_of(payment)
        services.reverse_payment(payment=payment, **DAYS)
        world.came_in -= left


def _reward(world: "World", which: int, minor: int) -> None:
    kind = AccountCredit.Kind.REWARD
    services.grant_credit(
        account=world.account, amount_minor=minor, kind=kind, effective_on=TODAY
    )
    world.came_in += minor


def _use(world: "World", which: int, minor: int) -> None:
    services.apply_credit_oldest_first(account=world.account, **DAYS)


def _fee(world: "World", which: int, minor: int) -> None:
    add_fees([world.invoice(which)], minor, today=LATER)


def _note(world: "World", which: int, minor: int) -> None:
    kind = InvoiceLine.Kind.CREDIT if minor % 2 else InvoiceLine.Kind.LATE_FEE
    services.credit_line(
        invoice=world.invoice(which),
        amount_minor=minor,
        description="Credit",
        kind=kind,
        **DAYS,
    )


def _void(world: "World", which: int, minor: int) -> None:
    services.void_invoice(invoice=world.invoice(which), actor=None, reason="", **DAYS)


def _write_off(world: "World", which: int, minor: int) -> None:
    services.write_off(invoice=world.invoice(which), actor=None, reason="", **DAYS)


ACTS = (_pay, _pay_one, _pay, _refund, _bounce, _reward, _use, _fee, _note, _void, _write_off)


class World:
    """An account with three invoices and everything that was paid on it."""

    def __init__(self, code: str) -> None:
        self.account = BillingAccountFactory(currency=code)
        self.invoices = [
            InvoiceFactory(account=self.account, total_minor=total) for total in (100, 70, 1)
        ]
        self.payments: list[Payment] = []
        self.came_in = 0

    def invoice(self, which: int) -> Invoice:
        return Invoice.objects.get(pk=self.invoices[which % len(self.invoices)].pk)

    def payment(self, which: int) -> Payment:
        return Payment.objects.get(pk=self.payments[which % len(self.payments)].pk)

    def left_of(self, payment: Payment) -> int:
        rows = [*payment.allocations.all(), *payment.credits.all()]
        return sum(row.amount_minor for row in rows)

    def held(self) -> int:
        """Return the money on the invoices and on the account."""
        on_invoices = sum(
            one.paid_minor + one.credited_minor for one in self.account.invoices.all()
        )
        return on_invoices + credit(self.account)


@settings(max_examples=40, deadline=None)
@given(
    code=st.sampled_from(["USD", "JPY", "KWD"]),
    acts=st.lists(
        st.tuples(st.sampled_from(ACTS), st.integers(0, 5), st.integers(1, 200)),
        min_size=1,
        max_size=10,
    ),
)
def test_adds_up_and_loses_no_money(code: str, acts: list[tuple[Act, int, int]]) -> None:
    with transaction.atomic():
        world = World(code)
        for act, which, minor in acts:
            try:
                act(world, which, minor)
            except Problem:
                continue  # refused, and nothing of it has happened
        assert services.find_inconsistencies() == []
        assert world.held() == world.came_in
        transaction.set_rollback(True)
