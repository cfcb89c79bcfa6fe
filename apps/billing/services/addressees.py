"""Whom an invoice was for, once nothing else says it."""

from typing import Any

from django.db.models import Case, OuterRef, QuerySet, Subquery, TextField, Value, When
from django.db.models.functions import Concat

from apps.contacts.models import Contact


def write_down_addressee(invoices: "QuerySet[Any]") -> None:
    """Write the customer's name and address onto invoices, before the customer is erased.

    An invoice must name its addressee for as long as the law has it kept. What was written
    down before stays: by then the customer may have been erased.
    """
    contact = Contact.objects.filter(billing_accounts=OuterRef("account"))
    words = Case(
        When(email="", then="display_name"),
        default=Concat("display_name", Value("\n"), "email", output_field=TextField()),
        output_field=TextField(),
    )
    to = contact.annotate(words=words).values("words")[:1]
    invoices.filter(billed_to="").update(billed_to=Subquery(to))
