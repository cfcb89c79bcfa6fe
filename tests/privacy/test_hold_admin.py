"""Legal holds in the admin: owners place and release them, staff read."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.firms.models import Firm, LegalHold, RetentionPolicy, Role, User
from apps.firms.rights import staff_group
from apps.firms.services.baseline import keep_for_usual
from tests.factories import (
    ContactFactory,
    FirmFactory,
    LegalHoldFactory,
    MembershipFactory,
    UserFactory,
)
from tests.privacy.expiring import NOW

pytestmark = pytest.mark.django_db

ADD = "admin:firms_legalhold_add"
LIST = "admin:firms_legalhold_changelist"


@pytest.fixture
def firm() -> Firm:
    firm: Firm = FirmFactory(name="Acme")
    return firm


def person(firm: Firm, role: Role = Role.OWNER) -> User:
    user: User = MembershipFactory(firm=firm, roles=[role]).user
    user.groups.add(staff_group())
    return user


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def place(client: Client, firm: Firm, **typed: Any) -> Any:
    form = {"firm": firm.pk, "subject_type": "firms.firm", "reason": "Case 7"} | typed
    return client.post(reverse(ADD), form)


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return dict(answer.context["adminform"].form.errors)


def release(client: Client, hold: LegalHold, **typed: Any) -> str:
    """Press the action; returns the sentence that comes back, if any does."""
    form = {"action": "release", "_selected_action": [hold.pk], **typed}
    answer = client.post(reverse(LIST), form, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


def test_an_owner_holds_the_whole_firm(firm: Firm) -> None:
    owner = person(firm)
    assert place(browser(owner), firm).status_code == 302
    hold = LegalHold.objects.get()
    assert (hold.subject_id, hold.reason, hold.placed_by) == (firm.pk, "Case 7", owner)
    assert AuditEvent.objects.get().action == "legal_hold_placed"


def test_an_owner_holds_a_contact(firm: Firm) -> None:
    ada = ContactFactory(firm=firm)
    where = {"subject_type": "contacts.contact", "subject_id": ada.pk}
    assert place(browser(person(firm)), firm, **where).status_code == 302
    assert LegalHold.objects.get().subject == f"contact {ada.pk}"


def test_what_the_firm_does_not_have_is_refused_in_a_sentence(firm: Firm) -> None:
    stranger = ContactFactory()
    where = {"subject_type": "contacts.contact", "subject_id": stranger.pk}
    answer = place(browser(person(firm)), firm, **where)
    text = f"Acme has no such subject: contact {stranger.pk}."
    assert errors(answer) == {"subject_id": [text]}


def test_what_is_held_already_is_refused_in_a_sentence(firm: Firm) -> None:
    LegalHoldFactory(firm=firm)
    answer = place(browser(person(firm)), firm)
    assert errors(answer) == {"subject_id": ["There is a hold on the whole firm already."]}


@pytest.mark.parametrize(
    ("typed", "missing"),
    [
        ({"reason": ""}, "reason"),
        ({"subject_type": ""}, "subject_type"),
        ({"subject_type": "contacts.contact"}, "subject_id"),
        ({"subject_type": "contacts.contact", "subject_id": "0"}, "subject_id"),
    ],
)
def test_what_is_missing_is_asked_for(firm: Firm, typed: dict[str, str], missing: str) -> None:
    assert list(errors(place(browser(person(firm)), firm, **typed))) == [missing]
    assert not LegalHold.objects.exists()


@pytest.mark.parametrize("role", [Role.ADMIN, Role.STAFF])
def test_staff_read_holds_and_change_nothing(firm: Firm, role: Role) -> None:
    hold = LegalHoldFactory(firm=firm, reason="Case 7")
    client = browser(person(firm, role))
    assert place(client, firm).status_code == 403
    assert b"Case 7" in client.get(reverse(LIST)).content
    release(client, hold, confirmed="yes", reason="x")
    hold.refresh_from_db()
    assert hold.released_at is None


def test_an_owner_elsewhere_who_is_staff_here_changes_nothing(firm: Firm) -> None:
    user = person(firm, Role.STAFF)
    MembershipFactory(user=user, roles=[Role.OWNER])
    client, hold = browser(user), LegalHoldFactory(firm=firm)
    assert list(errors(place(client, firm))) == ["firm"]
    said = release(client, hold, confirmed="yes", reason="x")
    assert said == "0 holds released, 1 skipped: only the owner of a firm may."


def test_another_owner_sees_nothing_of_it(firm: Firm) -> None:
    hold = LegalHoldFactory(firm=firm, reason="Case 7")
    client = browser(person(FirmFactory()))
    assert b"Case 7" not in client.get(reverse(LIST)).content
    release(client, hold, confirmed="yes", reason="x")
    hold.refresh_from_db()
    assert hold.released_at is None


def test_an_owner_releases_a_hold_for_a_reason(firm: Firm) -> None:
    hold, client = LegalHoldFactory(firm=firm), browser(person(firm))
    assert release(client, hold) == ""
    assert release(client, hold, confirmed="yes", reason="Settled") == "1 hold released."
    assert AuditEvent.objects.get().reason == "Settled"
    said = release(client, hold, confirmed="yes", reason="Again")
    assert said == (
        "0 holds released, 1 skipped: The hold on the whole firm has been released already."
    )


def test_nobody_edits_or_deletes_a_hold(firm: Firm) -> None:
    hold = LegalHoldFactory(firm=firm)
    client = browser(UserFactory(is_staff=True, is_superuser=True))
    for what in ("change", "delete"):
        where = reverse(f"admin:firms_legalhold_{what}", args=[hold.pk])
        assert client.post(where, {"reason": "x", "post": "yes"}).status_code == 403


# ---- on the policy's page -----------------------------------------------------------------


def held_by(firm: Firm) -> str:
    """What the page of the firm's policy says about holds."""
    keep_for_usual(firm=firm)
    policy = RetentionPolicy.objects.get(firm=firm, data_type="emails")
    where = reverse("admin:firms_retentionpolicy_change", args=[policy.pk])
    page = browser(person(firm)).get(where)
    line = BeautifulSoup(page.content, "html.parser").select_one(".field-held .readonly")
    assert line is not None
    return line.get_text()


def test_a_policy_says_that_nothing_is_held(firm: Firm) -> None:
    LegalHoldFactory(firm=firm, released_at=NOW)
    LegalHoldFactory()
    assert held_by(firm) == "None."


def test_a_policy_says_what_is_held(firm: Firm) -> None:
    for key in (1, 2):
        LegalHoldFactory(firm=firm, subject_type="contacts.contact", subject_id=key)
    LegalHoldFactory(firm=firm, subject_type="leasing.lease", subject_id=1)
    assert held_by(firm) == "2 contacts, 1 lease held: nothing of theirs goes."


def test_a_policy_says_that_everything_is_held(firm: Firm) -> None:
    LegalHoldFactory(firm=firm)
    LegalHoldFactory(firm=firm, subject_type="leasing.lease", subject_id=1)
    assert held_by(firm) == "The whole firm is held: nothing goes."
