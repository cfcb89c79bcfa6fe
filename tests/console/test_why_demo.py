"""Why: what the demo world's invoices say to somebody who has never seen them."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.firms.models import User

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("demo_world", "reference_clock"),
]


ACME = "acme-consulting"


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


@pytest.mark.parametrize(
    ("firm", "number", "words"),
    [
        (ACME, "INV-2025-017", "Autopay has given up after too many refused charges."),
        (ACME, "INV-2025-018", "Autopay waits for the customer to authenticate."),
        (ACME, "INV-2025-020", "A charge is under way."),
        (ACME, "INV-2025-021", "It is paid."),
        ("evergreen-pm", "INV-2025-024", "Autopay is switched off for it."),
    ],
)
def test_tells_from_the_number_why_it_was_not_charged(
    firm: str, number: str, words: str
) -> None:
    assert words in page(number, firm)
