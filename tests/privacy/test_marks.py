"""What somebody is recognised by, and what is somebody else's, too."""

import pytest
from django.db import connection

from apps.core.fields import Secrets
from apps.core.personal import People
from apps.privacy.models import ErasureRequest
from apps.privacy.services.erasing.marks import Kind, Mark, Marks, shared
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    ErasureRequestFactory,
    FirmFactory,
    MembershipFactory,
    PaymentMethodFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


def of(*, users: object = None, contacts: object = None) -> People:
    return People(
        frozenset([users.pk] if users else []),  # type: ignore[attr-defined]
        frozenset([contacts.pk] if contacts else []),  # type: ignore[attr-defined]
    )


def test_collects_addresses_numbers_and_full_names() -> None:
    user = UserFactory(
        username="bob_m", email="Bob@Example.com", first_name="Bob", last_name="Marley"
    )
    contact = ContactFactory(
        display_name="Robert N. Marley",
        first_name="Robert",
        last_name="Marley",
        email="robert@example.org",
        phone="+15551234567",
    )
    marks = Marks.of(People(frozenset({user.pk}), frozenset({contact.pk})))
    assert marks.texts(Kind.EMAIL) == ["bob@example.com", "robert@example.org"]
    assert marks.texts(Kind.PHONE) == ["+15551234567"]
    assert marks.texts(Kind.NAME) == [
        *("Bob Marley", "Marley Robert", "Marley, Robert", "Robert Marley"),
        "Robert N. Marley",
    ]
    assert marks.texts(Kind.ID) == ["bob_m"]


@pytest.mark.parametrize(
    ("username", "kind"),
    [
        ("bob@example.com", Kind.EMAIL),
        ("bob_marley", Kind.ID),
        ("bob1", None),  # too short to be nobody else's
        ("robert", None),  # a word
    ],
)
def test_a_users_name_counts_unless_it_is_a_word(username: str, kind: Kind | None) -> None:
    user = UserFactory(username=username, email="")
    expected = {Mark(kind, username)} if kind else set()
    assert Marks.of(of(users=user)).all == expected


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("Rose", False),
        ("Rose Gold", True),
        ("山田太郎", True),
        ("山田", False),
        ("Нина", False),
    ],
)
def test_a_single_word_is_not_looked_for(name: str, counts: bool) -> None:
    marks = Marks.of(of(contacts=ContactFactory(display_name=name, email="")))
    assert (bool(marks), marks.vague) == (counts, int(not counts))


def test_collects_what_a_gateway_calls_them() -> None:
    account = BillingAccountFactory(gateway_customer="cus_Bob")
    PaymentMethodFactory(account=account, provider_ref="pm_Bob")
    marks = Marks.of(of(contacts=account.contact))
    assert marks.texts(Kind.ID) == ["cus_Bob", "pm_Bob"]


def test_who_was_erased_has_none_left() -> None:
    contact = ContactFactory(erased_at="2025-01-01T00:00:00Z", display_name="Erased contact 5")
    assert Marks.of(of(contacts=contact)) == Marks()


def test_are_kept_encrypted_and_read_back() -> None:
    marks = Marks(frozenset({Mark(Kind.NAME, "Bob Marley"), Mark(Kind.ID, "cus_1")}), 2)
    request = ErasureRequestFactory(marks=marks.kept())
    request.refresh_from_db()
    assert Marks.read(request.marks) == marks
    with connection.cursor() as cursor:
        cursor.execute("SELECT marks FROM privacy_erasurerequest")
        assert "Marley" not in cursor.fetchone()[0]
    ErasureRequest.objects.update(marks=Secrets())
    request.refresh_from_db()
    assert Marks.read(request.marks) == Marks()


# ---- what is not theirs alone ---------------------------------------------------------------

BOB = Marks(
    frozenset(
        {
            Mark(Kind.EMAIL, "home@example.com"),
            Mark(Kind.PHONE, "+15551234567"),
            Mark(Kind.NAME, "Bob Marley"),
            Mark(Kind.NAME, "Jörg Österreich"),
            Mark(Kind.ID, "cus_Bob"),
        }
    )
)


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        ({"email": "home@example.com"}, {"home@example.com"}),
        ({"phone": "+15551234567"}, {"+15551234567"}),
        ({"display_name": "BOB MARLEY"}, {"Bob Marley"}),
        ({"display_name": "Jörg Österreich"}, {"Jörg Österreich"}),
        ({"first_name": "bob", "last_name": "marley"}, {"Bob Marley"}),
        ({"display_name": "cus_Bob"}, set()),
        ({"display_name": "Bob Marley", "erased_at": "2025-01-01T00:00:00Z"}, set()),
    ],
)
def test_what_a_living_contact_has_too_is_shared(
    columns: dict[str, str], taken: set[str]
) -> None:
    other = ContactFactory(**{"display_name": "Alice", **columns})
    nobody = People()
    assert {mark.text for mark in shared(BOB, nobody, other.firm_id)} == taken
    assert shared(BOB, nobody, FirmFactory().pk) == frozenset()
    assert {mark.text for mark in shared(BOB, nobody, None)} == taken
    assert shared(BOB, of(contacts=other), other.firm_id) == frozenset()


def test_what_a_member_has_too_is_shared() -> None:
    user = UserFactory(email="HOME@example.com", first_name="Bob", last_name="Marley")
    member = MembershipFactory(user=user)
    taken = {mark.text for mark in shared(BOB, People(), member.firm_id)}
    assert taken == {"home@example.com", "Bob Marley"}
    assert shared(BOB, of(users=user), member.firm_id) == frozenset()
