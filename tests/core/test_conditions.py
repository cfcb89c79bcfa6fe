"""Which condition of a selection keeps a row out, and in which words."""

from datetime import date
from typing import Any

import pytest
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from apps.billing.models import Invoice, PaymentAttempt
from apps.core.conditions import conditions_of, failures
from tests.factories import InvoiceFactory, PaymentAttemptFactory

pytestmark = pytest.mark.django_db

Selection = QuerySet[Invoice]


def why_not(invoice: Invoice, selection: Any, **sentences: str) -> list[str]:
    """What keeps an invoice out of a selection."""
    found = failures(
        invoice, {"it": selection}, sentences={"it": sentences}, zone_name="America/New_York"
    )
    return [failure.sentence for failure in found["it"]]


def keys(selection: Any) -> list[str]:
    return [condition.key for condition in conditions_of(selection)]


ALL = Invoice.objects.all()


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        (
            ALL.filter(status__in=["paid", "void"]),
            "status must be paid or void; it is sent",
        ),
        (ALL.exclude(status="sent"), "status must not be sent; it is sent"),
        (ALL.filter(in_dispute=True), "in dispute must be yes; it is no"),
        (
            ALL.filter(due_date__lt=date(2025, 2, 1)),
            "due date must be before 2025-02-01; it is 2025-03-01",
        ),
        (
            ALL.filter(due_date__gte=date(2025, 4, 1)),
            "due date must be at the earliest 2025-04-01; it is 2025-03-01",
        ),
        (ALL.filter(paid_at__isnull=False), "paid at must not be empty; it is empty"),
        (ALL.exclude(paid_at=None), "paid at must not be empty; it is empty"),
        (
            ALL.filter(balance_minor__gt=200_000),
            "balance minor must be above $2000.00; it is $1500.00",
        ),
        (
            ALL.filter(total_minor__lt=F("paid_minor")),
            "total minor must be below paid minor; it is $1500.00",
        ),
        (
            ALL.filter(Q(sent_at=None) | Q(sent_at__gt="2025-02-21T00:00:00Z")),
            "sent at must be empty or sent at must be after 2025-02-20 19:00; "
            "it is 2025-02-20 07:00",
        ),
        (
            ALL.filter(Q(status="paid") | Q(kind="manual")),
            "status must be paid or kind must be manual (status: sent, kind: rent)",
        ),
        (
            ALL.filter(firm__is_active=False),
            "firm's is active must be no; it is yes",
        ),
        (
            ALL.filter(Exists(PaymentAttempt.objects.filter(invoice=OuterRef("pk")))),
            "there must be a payment attempt",
        ),
    ],
)
def test_says_what_must_be_and_what_is(selection: Selection, sentence: str) -> None:
    assert why_not(InvoiceFactory(), selection) == [sentence]


def test_says_nothing_of_conditions_that_are_met() -> None:
    selection = ALL.collectable().filter(firm__is_active=True, due_date__lt=date(2025, 3, 1))
    assert why_not(InvoiceFactory(), selection) == [
        "due date must be before 2025-03-01; it is 2025-03-01"
    ]
    assert why_not(InvoiceFactory(), ALL) == []


def test_asks_all_conditions_of_all_selections_in_one_query(
    django_assert_num_queries: Any,
) -> None:
    invoice = InvoiceFactory()
    with django_assert_num_queries(1):
        found = failures(
            invoice,
            {"open": ALL.collectable(), "paid": ALL.filter(status="paid", in_dispute=True)},
            sentences={"open": {}, "paid": {}},
            zone_name="UTC",
        )
    assert [one.key for one in found["open"]] == []
    assert [one.key for one in found["paid"]] == ["in_dispute", "status"]


def test_does_not_take_a_missing_join_for_a_failure_of_the_other_conditions() -> None:
    selection = ALL.filter(rent_period__lease__status="active", status="sent")
    assert why_not(InvoiceFactory(), selection, rent_period__lease__status="no rent") == [
        "no rent"
    ]


def test_names_a_row_that_must_not_exist_also_behind_exclude() -> None:
    invoice = InvoiceFactory()
    PaymentAttemptFactory(invoice=invoice)
    selection = ALL.exclude(attempts__status__in=PaymentAttempt.OPEN)
    assert keys(selection) == ["no billing.paymentattempt"]
    assert why_not(invoice, selection) == ["there must be no payment attempt"]
    PaymentAttempt.objects.update(status="declined")
    assert why_not(invoice, selection) == []


def test_names_an_annotation() -> None:
    selection = ALL.alias(tries=Count("attempts")).filter(tries__gt=2)
    assert keys(selection) == ["tries"]
    assert why_not(InvoiceFactory(), selection, tries="too few tries") == ["too few tries"]


def test_tells_two_conditions_on_one_column_apart() -> None:
    selection = ALL.filter(due_date__gt=date(2025, 1, 1), due_date__lt=date(2025, 2, 1))
    assert keys(selection) == ["due_date__gt", "due_date__lt"]


def test_takes_the_declared_sentence_for_the_value_and_else_for_the_column() -> None:
    sentences = {"status": "it is {value}, not {wanted}", "status=paid": "it is paid"}
    sent, paid = InvoiceFactory(), InvoiceFactory(status="paid")
    selection = ALL.filter(status="void")
    assert why_not(sent, selection, **sentences) == ["it is sent, not void"]
    assert why_not(paid, selection, **sentences) == ["it is paid"]


def test_tells_the_failures_in_the_order_of_the_declared_sentences() -> None:
    selection = ALL.filter(kind="manual", status="paid", in_dispute=True)
    order = {"status": "first", "kind": "second", "in_dispute": "third"}
    assert why_not(InvoiceFactory(), selection, **order) == ["first", "second", "third"]


def test_keeps_an_or_of_whole_selections_together() -> None:
    selection = ALL.filter(status="paid") | ALL.filter(kind="manual", status="sent")
    assert keys(selection) == ["status|kind"]
