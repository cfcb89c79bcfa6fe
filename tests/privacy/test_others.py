"""Texts that somebody gets a copy of, without the names and addresses of others."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from apps.core.personal import People
from apps.documents.models import SignatureRequest
from apps.documents.services import request_signature
from apps.firms.models import Firm
from apps.privacy.services.others import Others
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    DocumentFactory,
    FirmFactory,
    MembershipFactory,
    PaymentFactory,
    UserFactory,
)
from tests.privacy.changed_pages import change
from tests.privacy.exporting import exported

pytestmark = pytest.mark.django_db

OTHER = "other participant"
NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def firm() -> Firm:
    """Knows Ada, whose copy it is, and Bob, Carol, Madonna, Zoë and a namesake of Ada's."""
    firm: Firm = FirmFactory(slug="acme")
    ContactFactory(
        **{"firm": firm, "display_name": "Bob Baker", "email": "bob@example.com"},
        **{"first_name": "Robert", "last_name": "Baker", "phone": "+15550100200"},
    )
    ContactFactory(firm=firm, display_name="Madonna")
    ContactFactory(firm=firm, display_name="Zoë O'Neill-Müller")
    ContactFactory(firm=firm, display_name="Granite Gym", kind="organisation")
    ContactFactory(firm=firm, display_name="ada lovelace")
    carol = UserFactory(first_name="Carol", last_name="Chen", email="carol@acme.example")
    MembershipFactory(firm=firm, user=carol)
    ContactFactory(display_name="Dan Elsewhere")
    return firm


@pytest.fixture
def others(firm: Firm) -> Others:
    user = UserFactory(first_name="Ada", last_name="Lovelace", email="ada@example.com")
    contact = ContactFactory(
        **{"firm": firm, "user": user, "display_name": "Ada Lovelace"},
        **{"email": "ada@home.example", "phone": "+15550100100"},
    )
    return Others(firm.pk, People(frozenset({user.pk}), frozenset({contact.pk})))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        ("Nothing about anybody.", "Nothing about anybody."),
        ("Bob Baker called.", f"{OTHER} called."),
        ("BOB  BAKER, and bob\nbaker", f"{OTHER}, and {OTHER}"),
        ("Robert Baker", OTHER),
        ("Bob Bakerman and Rob Baker", "Bob Bakerman and Rob Baker"),
        ("Carol Chen fixed it for Ada Lovelace", f"{OTHER} fixed it for Ada Lovelace"),
        ("Zoë O'Neill-Müller.", f"{OTHER}."),
        ("Madonna is no madonna", f"{OTHER} is no madonna"),
        ("at Granite Gym", "at Granite Gym"),
        ("Dan Elsewhere", "Dan Elsewhere"),
        (
            "Write to bob@example.com, not ADA@example.com",
            f"Write to {OTHER}, not ADA@example.com",
        ),
        ("from ada@home.example", "from ada@home.example"),
        ("bob.baker@example.com", OTHER),
        ("a-stranger@sub.example.co.uk!", f"{OTHER}!"),
        ("Call +1 555 010-0200 or +15550100100", f"Call {OTHER} or +15550100100"),
        ("x" * 200_000, "x" * 200_000),
    ],
)
def test_hides(others: Others, text: str, left: str) -> None:
    assert others.hide(text) == left


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (None, None),
        (12, 12),
        (["Bob Baker", {"said": "to Bob Baker"}], [OTHER, {"said": f"to {OTHER}"}]),
    ],
)
def test_hides_within_json(others: Others, value: Any, left: Any) -> None:
    assert others.hide(value) == left


def test_hides_addresses_also_outside_firms(others: Others) -> None:
    nowhere = Others(None, others.own)
    assert nowhere.hide("Bob Baker, bob@example.com") == f"Bob Baker, {OTHER}"


def test_looks_nobody_up_without_a_text(others: Others, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert others.hide("") == ""


def test_an_export_gives_notes_without_others(firm: Firm, tmp_path: Path) -> None:
    user = UserFactory(email="ada@example.com")
    contact = ContactFactory(firm=firm, user=user, display_name="Ada Lovelace")
    account = BillingAccountFactory(contact=contact)
    note = "Ada Lovelace paid through Bob Baker (bob@example.com)"
    PaymentFactory(account=account, note=note)
    copy = exported(user, tmp_path)
    [payment] = copy.records("acme/payments.json")
    assert payment["note"] == f"Ada Lovelace paid through {OTHER} ({OTHER})"
    assert not re.search("bob", copy.text, re.IGNORECASE)


def test_an_export_does_not_say_who_else_did_something(
    firm: Firm, settings: Settings, tmp_path: Path
) -> None:
    change(settings, SignatureRequest, exports=("status", "requested_by__username"))
    user = UserFactory(username="ada")
    contact = ContactFactory(firm=firm, user=user)
    for asker in (user, UserFactory(username="bob"), None):
        text = DocumentFactory(firm=firm)
        request_signature(document=text, signer=contact, requested_by=asker, now=NOON)
    copy = exported(user, tmp_path)
    found = [one["requested_by_username"] for one in copy.records("acme/signatures.json")]
    assert found == ["ada", OTHER, None]
