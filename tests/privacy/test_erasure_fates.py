"""What becomes of what: erased, made nobody's, kept for the law, and taken out of texts."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client

from apps.audit.models import AuditEvent
from apps.billing.models import BillingAccount, Invoice, InvoiceLine, Payment, PaymentMethod
from apps.contacts.models import Contact, Tombstone
from apps.contacts.services import find_tombstones
from apps.core.fields import Retained
from apps.core.personal import Fate, holdings
from apps.documents.models import SignatureRequest
from apps.documents.services import request_signature
from apps.firms.models import Firm, Membership, User, UserSession
from apps.leasing.models import LeaseParty
from apps.notifications.models import Notification, NotificationPreference, Suppression
from apps.notifications.services.wishes import suppressed
from apps.privacy.models import ErasurePart
from tests.factories import (
    AuditEventFactory,
    ContactFactory,
    DocumentFactory,
    LeaseFactory,
    MembershipFactory,
    NotificationFactory,
    NotificationGroupFactory,
    SmsConsentFactory,
    StatutoryPeriodFactory,
    UnitFactory,
)
from tests.privacy.erasing import (
    EMAIL,
    NAME,
    NOW,
    PHONE,
    a_firm,
    account_of_bob,
    bob_of,
    execute,
    furnish,
    paid_invoice,
    request_of,
)

pytestmark = pytest.mark.django_db

AT = datetime.fromisoformat(NOW)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def firm() -> Firm:
    return a_firm()


@pytest.fixture
def bob(firm: Firm) -> Contact:
    return bob_of(firm)


# ---- the account and the contact -------------------------------------------------------------


def test_a_contact_becomes_nobody(bob: Contact) -> None:
    execute(request_of(bob))
    bob.refresh_from_db()
    assert (bob.display_name, bob.first_name, bob.last_name) == (
        f"Erased contact {bob.pk}",
        "",
        "",
    )
    assert (bob.email, bob.phone, bob.user, bob.erased_at) == ("", "", None, AT)


def test_an_account_becomes_nobody_and_cannot_be_used(firm: Firm, client: Client) -> None:
    user = account_of_bob(is_staff=True)
    MembershipFactory(firm=firm, user=user)
    client.force_login(user)
    assert client.get("/admin/").status_code == 200
    execute(request_of(user=user))
    user.refresh_from_db()
    assert user.username.startswith("erased-")
    assert user.email == f"{user.username}@invalid.example"
    assert (user.first_name, user.last_name, user.erased_at) == ("", "", AT)
    assert (user.is_active, user.is_staff, user.is_superuser) == (False, False, False)
    assert not user.has_usable_password()
    assert not UserSession.objects.exists()
    assert not Session.objects.exists()
    assert client.get("/admin/").status_code == 302


def test_a_firm_ends_the_membership_and_leaves_an_account_that_others_use(firm: Firm) -> None:
    user, other = account_of_bob(), a_firm("Birch")
    for one in (firm, other):
        MembershipFactory(firm=one, user=user)
    ours, theirs = bob_of(firm, user=user), bob_of(other, user=user)
    said = execute(request_of(firm=firm, user=user))
    assert "profile" not in said
    user.refresh_from_db()
    assert (user.email, user.is_active) == (EMAIL, True)
    assert list(Membership.objects.filter(user=user).values_list("firm", flat=True)) == [
        other.pk
    ]
    names = dict(Contact.objects.values_list("pk", "display_name"))
    assert names == {ours.pk: f"Erased contact {ours.pk}", theirs.pk: NAME}


@pytest.mark.parametrize("uses", ["membership", "contact", "superuser", "nothing"])
def test_a_firm_takes_the_account_along_when_nobody_else_uses_it(firm: Firm, uses: str) -> None:
    user, other = account_of_bob(), a_firm("Birch")
    MembershipFactory(firm=firm, user=user)
    match uses:
        case "membership":
            MembershipFactory(firm=other, user=user, is_active=False)
        case "contact":
            bob_of(other, user=user)
        case "superuser":
            User.objects.filter(pk=user.pk).update(is_superuser=True)
    execute(request_of(firm=firm, user=user))
    user.refresh_from_db()
    assert (user.erased_at is None) is (uses != "nothing")


def test_a_platform_erases_in_every_firm_and_each_in_its_transaction(firm: Firm) -> None:
    user, other, third = account_of_bob(), a_firm("Birch"), a_firm("Cedar")
    for one in (firm, other):
        furnish(bob_of(one, user=user))
    NotificationFactory(recipient_contact=ContactFactory(firm=third), context={"of": EMAIL})
    request = request_of(user=user)
    said = execute(request)
    assert "  notifications: 4 erased\n" in said
    assert "  mentions elsewhere: 1 anonymised\n" in said
    parts = ErasurePart.objects.order_by("pk").values_list("firm", flat=True)
    assert list(parts) == [firm.pk, other.pk, third.pk, None]
    assert Contact.objects.present().filter(email=EMAIL).count() == 0


def test_an_address_alone_links_nobody(firm: Firm) -> None:
    stranger = bob_of(firm)
    user = account_of_bob()
    MembershipFactory(firm=firm, user=user)
    execute(request_of(user=user))
    stranger.refresh_from_db()
    assert stranger.email == EMAIL


def test_a_verified_address_does(firm: Firm) -> None:
    contact = bob_of(firm, email_verified_at=AT)
    user = account_of_bob()
    MembershipFactory(firm=firm, user=user)
    execute(request_of(user=user))
    contact.refresh_from_db()
    assert contact.erased_at == AT


# ---- what goes and what stays ----------------------------------------------------------------


def test_messages_wishes_and_groups_go(bob: Contact) -> None:
    alice = ContactFactory(firm=bob.firm, display_name="Alice Adams")
    group = NotificationGroupFactory(firm=bob.firm)
    for one in (bob, alice):
        NotificationFactory(recipient_contact=one)
        SmsConsentFactory(firm=bob.firm, recipient_key=f"contact:{one.pk}")
        group.members.add(one)
    execute(request_of(bob))
    assert [one.recipient_contact for one in Notification.objects.all()] == [alice]
    wishes = NotificationPreference.objects.values_list("recipient_key", flat=True)
    assert list(wishes) == [f"contact:{alice.pk}"]
    assert list(group.members.all()) == [alice]


def test_cards_and_accounts_name_nobody_and_are_charged_no_more(bob: Contact) -> None:
    furnish(bob)
    BillingAccount.objects.update(autopay_enabled=True)
    execute(request_of(bob))
    card, account = PaymentMethod.objects.get(), BillingAccount.objects.get()
    assert (card.brand, card.last4, card.exp_year, card.status) == ("", "", None, "detached")
    assert card.provider_ref == f"erased-{card.pk}"
    assert (account.autopay_enabled, account.contact) == (False, bob)


def test_invoices_are_kept_until_the_end_of_the_year_that_the_law_says(bob: Contact) -> None:
    old = paid_invoice(bob, on=date(2020, 1, 1))
    new = paid_invoice(bob, on=date(2024, 12, 31))
    draft = paid_invoice(bob, number="")
    Invoice.objects.filter(pk=draft.pk).update(status="draft", paid_minor=0, issue_date=None)
    draft.allocations.all().delete()
    said = execute(request_of(bob))
    assert "  invoices: 4 retained until 2034-12-31 (tax law)\n" in said
    until = dict(Invoice.objects.values_list("pk", "restricted_until"))
    assert until == {old.pk: date(2030, 12, 31), new.pk: date(2034, 12, 31), draft.pk: None}
    payments = Payment.objects.order_by("effective_on").values_list(
        "restricted_until", flat=True
    )
    assert list(payments) == [date(2030, 12, 31), date(2034, 12, 31), date(2034, 12, 31)]
    old.refresh_from_db()
    assert old.billed_to == f"{NAME}\n{EMAIL}"
    lines = InvoiceLine.objects.values_list("description", flat=True)
    assert sorted(lines) == ["Rent", "Rent", "erased"]


def test_the_years_are_those_of_the_firms_country(bob: Contact) -> None:
    Firm.objects.filter(pk=bob.firm_id).update(country="GE")
    StatutoryPeriodFactory(country="GE", years=6, reason="Tax Code of Georgia")
    bob = Contact.objects.get(pk=bob.pk)
    paid_invoice(bob, on=date(2024, 3, 1))
    said = execute(request_of(bob))
    assert "  invoices: 2 retained until 2030-12-31 (Tax Code of Georgia)\n" in said


def test_an_invoice_without_an_address_names_the_customer(bob: Contact) -> None:
    Contact.objects.filter(pk=bob.pk).update(email="")
    invoice = paid_invoice(bob)
    execute(request_of(bob))
    invoice.refresh_from_db()
    assert invoice.billed_to == NAME


def test_signed_documents_are_kept_and_others_are_emptied(bob: Contact) -> None:
    signed, open_ = (
        DocumentFactory(firm=bob.firm, owner=bob, title=title, text=f"{NAME} agrees.")
        for title in ("Lease", "Draft")
    )
    for one in (signed, open_):
        request_signature(document=one, signer=bob, requested_by=None, now=AT)
    asked = SignatureRequest.objects.get(document=signed)
    SignatureRequest.objects.filter(pk=asked.pk).update(
        status="signed", signed_at=AT, signed_name=NAME
    )
    execute(request_of(bob))
    signed.refresh_from_db()
    open_.refresh_from_db()
    assert (signed.text, signed.restricted_until) == (f"{NAME} agrees.", date(2035, 12, 31))
    assert (open_.title, open_.text, open_.owner, open_.state) == ("", "", None, "deleted")
    kept, ended = SignatureRequest.objects.order_by("pk")
    assert (kept.signed_name, kept.restricted_until) == (NAME, date(2035, 12, 31))
    assert (ended.works_at(AT), ended.restricted_until) == (False, None)


def test_a_lease_stays_open_to_view_while_somebody_else_is_on_it(bob: Contact) -> None:
    alice = ContactFactory(firm=bob.firm, display_name="Alice Adams")
    home = UnitFactory(property__firm=bob.firm)
    lease = LeaseFactory(unit=home, renter=alice, status="ended", end_date=date(2024, 6, 30))
    LeaseParty.objects.create(firm=bob.firm, lease=lease, contact=bob, role="co_renter")
    execute(request_of(bob))
    lease.refresh_from_db()
    assert lease.restricted_until is None
    Contact.objects.filter(pk=lease.account.contact_id).update(display_name="Payer Person")
    execute(request_of(alice))
    lease.refresh_from_db()
    assert lease.restricted_until == date(2034, 12, 31)


def test_every_record_that_is_kept_and_says_something_has_an_end() -> None:
    for page in holdings():
        if page.fate == Fate.RETAIN and page.becomes:
            parent = page.model
            if page.kept_with:
                parent = page.model._meta.get_field(page.kept_with).related_model
            assert issubclass(parent, Retained), page.model


# ---- what others say -------------------------------------------------------------------------


def test_what_he_did_is_done_by_nobody(firm: Firm) -> None:
    clerk = account_of_bob()
    MembershipFactory(firm=firm, user=clerk)
    alice = ContactFactory(firm=firm)
    document = DocumentFactory(firm=firm)
    asked, _ = request_signature(document=document, signer=alice, requested_by=clerk, now=AT)
    AuditEventFactory(firm=firm, actor=clerk, actor_label=clerk.username, object_id="77")
    execute(request_of(user=clerk))
    asked.refresh_from_db()
    assert asked.requested_by is None
    event = AuditEvent.objects.get(object_id="77")
    assert (event.actor, event.actor_label) == (None, "erased")


def test_a_name_that_somebody_else_has_is_left_alone(bob: Contact) -> None:
    namesake = ContactFactory(
        firm=bob.firm, display_name=NAME.upper(), email="other@example.com"
    )
    note = AuditEventFactory(firm=bob.firm, reason=f"{NAME} of {EMAIL} rang")
    said = execute(request_of(bob))
    assert "Erasure completed" in said
    assert "  not looked for: 1 name that others have, too\n" in said
    note.refresh_from_db()
    namesake.refresh_from_db()
    assert note.reason == f"{NAME} of [erased] rang"
    assert namesake.display_name == NAME.upper()


def test_an_address_that_a_couple_shares_still_reaches_the_other(bob: Contact) -> None:
    alice = ContactFactory(firm=bob.firm, display_name="Alice Adams", email=EMAIL)
    execute(request_of(bob))
    assert suppressed("email", [(bob.firm_id, EMAIL)]) == set()
    assert (
        find_tombstones(firm_id=bob.firm_id, kind=Tombstone.Kind.EMAIL, values=[EMAIL]) == set()
    )
    alice.refresh_from_db()
    assert alice.email == EMAIL


def test_a_single_word_is_said_not_to_be_looked_for(firm: Firm) -> None:
    rose = ContactFactory(firm=firm, display_name="Rose", email="", phone="")
    note = AuditEventFactory(firm=firm, reason="A rose for Rose")
    said = execute(request_of(rose))
    assert "  not looked for: 1 name of a single word\n" in said
    note.refresh_from_db()
    assert note.reason == "A rose for Rose"


# ---- no way back -----------------------------------------------------------------------------


def test_he_is_buried_and_suppressed_in_the_firm(bob: Contact) -> None:
    other = a_firm("Birch")
    execute(request_of(bob))

    def is_known(firm: Firm) -> tuple[bool, ...]:
        kinds = ((Tombstone.Kind.EMAIL, EMAIL), (Tombstone.Kind.PHONE, PHONE))
        return tuple(
            find_tombstones(firm_id=firm.pk, kind=kind, values=[value]) == {value}
            for kind, value in kinds
        )

    assert (is_known(bob.firm), is_known(other)) == ((True, True), (False, False))
    ways = (("email", EMAIL), ("sms", PHONE))
    assert all(suppressed(way, [(bob.firm_id, to)]) == {(bob.firm_id, to)} for way, to in ways)
    assert set(Suppression.objects.values_list("reason", "firm")) == {("erased", bob.firm_id)}


def test_who_is_erased_everywhere_is_buried_everywhere(firm: Firm) -> None:
    user = account_of_bob()
    MembershipFactory(firm=firm, user=user)
    execute(request_of(user=user))
    fresh = a_firm("Later")
    for one in (firm, fresh):
        found = find_tombstones(firm_id=one.pk, kind=Tombstone.Kind.EMAIL, values=[EMAIL])
        assert found == {EMAIL}
    assert list(Suppression.objects.values_list("firm", flat=True)) == [firm.pk]
