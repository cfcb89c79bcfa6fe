"""Contacts in the admin."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from apps.contacts.models import Contact
from tests.admin.visiting import filled
from tests.factories import ContactFactory, UserFactory

pytestmark = pytest.mark.django_db

SHOWN = datetime(2025, 1, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "typed", "verified"),
    [("email", "stranger@example.com", None), ("display_name", "Ada", SHOWN)],
)
def test_a_new_address_has_not_been_verified(
    client: Client, field: str, typed: str, verified: datetime | None
) -> None:
    contact = ContactFactory(email_verified_at=SHOWN)
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    where = reverse("admin:contacts_contact_change", args=[contact.pk])
    assert client.post(where, filled(client, where) | {field: typed}).status_code == 302
    changed = Contact.objects.get()
    assert (getattr(changed, field), changed.email_verified_at) == (typed, verified)
