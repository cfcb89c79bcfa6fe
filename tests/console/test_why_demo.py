"""Why: what the demo world's invoices say to somebody who has never seen them."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.billing.models import Invoice
from apps.firms.models import User

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("demo_world", "reference_clock"),
]


@pytest.fixture(autouse=True)
def own_jobs() -> None:
    """Here it is the project's jobs that are asked."""


def page(number: str, firm: str) -> str:
    """What an owner of the firm reads after typing an invoice's number."""
    owner = User.objects.filter(
        memberships__firm__slug=firm, memberships__roles__role="owner", is_superuser=False
    ).get()
    client = Client()
    client.force_login(owner)
    answer = client.get(reverse("console:why"), {"q": number}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_tells_from_the_number_why_it_was_not_charged() -> None:
    for status, words in (
        ("failed", "Autopay has given up after too many refused charges."),
        ("needs_action", "Autopay waits for the customer to authenticate."),
    ):
        invoice = Invoice.objects.filter(autopay_status=status, firm__slug="acme-consulting")
        for number in invoice.values_list("number", flat=True)[:1]:
            assert words in page(number, "acme-consulting")
    assert "Autopay is switched off for it." in page("INV-2025-024", "evergreen-pm")
