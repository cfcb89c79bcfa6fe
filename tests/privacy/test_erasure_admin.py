"""Requests to be erased in the admin: one service call a button, by those who decide."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
import time_machine
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from apps.audit.models import AuditEvent
from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.firms.models import Firm, MembershipRole, Role, User
from apps.jobs.models import JobRun
from apps.jobs.worker import begin, end
from apps.privacy.models import ErasureRequest, StatutoryPeriod
from apps.privacy.services import execute_erasure_request
from tests.admin.test_billing_actions import press, said
from tests.admin.visiting import address
from tests.admin.world import staff_of
from tests.factories import ContactFactory, UserFactory
from tests.privacy.erasing import (
    NAME,
    NOW,
    a_firm,
    account_of_bob,
    bob_of,
    execute,
    furnish,
    paid_invoice,
    request_of,
)
from tests.test_every_job import changed, every_row

pytestmark = pytest.mark.django_db

AT = datetime.fromisoformat(NOW)
REQUESTS = reverse("admin:privacy_erasurerequest_changelist")
ADD = reverse("admin:privacy_erasurerequest_add")


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


def owner_of(firm: Firm, username: str) -> User:
    user = staff_of(firm)
    User.objects.filter(pk=user.pk).update(username=username)
    membership = user.memberships.get()
    MembershipRole.objects.create(firm=firm, membership=membership, role=Role.OWNER)
    return user


def desk_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def alice(firm: Firm) -> Client:
    return desk_of(owner_of(firm, "alice"))


@pytest.fixture
def carol(firm: Firm) -> Client:
    return desk_of(owner_of(firm, "carol"))


@pytest.fixture
def office() -> Client:
    return desk_of(UserFactory(is_staff=True, is_superuser=True))


def confirm(client: Client, action: str, *rows: Any, **typed: Any) -> str:
    how = {"confirmed": "yes", "reason": "Asked for", "how": "Rang back"} | typed
    return said(press(client, REQUESTS, action, *rows, **how))


def status() -> str:
    return ErasureRequest.objects.get().status


# ---- from asking to executing ----------------------------------------------------------------


def test_it_takes_two_owners_from_receiving_to_executing(
    bob: Contact, alice: Client, carol: Client
) -> None:
    form = {"firm": bob.firm_id, "contact": bob.pk, "user": "", "law": "gdpr"}
    answer = alice.post(ADD, form | {"received_on": "2025-02-10"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    request = ErasureRequest.objects.get()
    assert (request.status, request.due_on) == ("received", date(2025, 3, 10))
    assert confirm(alice, "verify", request).endswith(" 1 request verified.")
    assert said(press(alice, REQUESTS, "approve", request)) == (
        "0 requests approved, 1 skipped: Whoever confirmed the identity cannot approve it, too."
    )
    assert said(press(carol, REQUESTS, "approve", request)) == "1 request approved."

    before = every_row()
    page = press(carol, REQUESTS, "preview", request)
    plan = BeautifulSoup(page.content, "html.parser").select_one("#plan")
    assert plan is not None
    assert plan.get_text().splitlines() == [
        f"Erasure request {request.pk} for contact {bob.pk}",
        "  Would anonymise 1 contact records",
        "Would complete the erasure: 0 erased, 1 anonymised, 0 retained.",
    ]
    assert [t for t in changed(before, every_row()) if t != "django_session"] == []

    assert confirm(carol, "execute", request).startswith("1 request handed to the queue")
    assert status() == "approved"
    run_what_is_queued()
    assert status() == "completed"
    events = AuditEvent.objects.order_by("pk").values_list("action", "actor__username")
    assert [event for event in events if event[0].startswith("erasure")] == [
        ("erasure_received", "alice"),
        ("erasure_verified", "alice"),
        ("erasure_approved", "carol"),
        ("erasure_ordered", "carol"),
        ("erasure_completed", None),
    ]


def run_what_is_queued() -> None:
    """Do what a worker of the cluster does with the package."""
    package = OrmQ.objects.get()
    task = package.task
    begin(execute_erasure_request, task)
    task["result"], task["success"] = execute_erasure_request(**task["kwargs"]), True
    end(task)
    package.delete()
    run = JobRun.objects.exclude(dry_run=True).get()
    assert (run.state, run.source, run.started_by) == (
        "done", "console", User.objects.get(username="carol")
    )  # fmt: skip


def test_previews_are_on_the_record(bob: Contact, carol: Client) -> None:
    press(carol, REQUESTS, "preview", request_of(bob))
    run = JobRun.objects.get()
    assert (run.job, run.dry_run, run.state, run.source) == (
        "execute_erasure_request", True, "done", "console"
    )  # fmt: skip


def test_a_preview_of_what_is_not_approved_says_so(bob: Contact, carol: Client) -> None:
    request = request_of(bob, status="received")
    assert said(press(carol, REQUESTS, "preview", request)) == (
        f"Erasure request {request.pk} is not approved (status: received)."
    )


def test_what_is_not_approved_is_not_handed_to_the_queue(bob: Contact, carol: Client) -> None:
    request = request_of(bob, status="verified")
    assert "1 skipped: Erasure request" in confirm(carol, "execute", request)
    assert not OrmQ.objects.exists()
    assert not JobRun.objects.exists()


@pytest.mark.parametrize(
    ("action", "after"),
    [("reject", "rejected"), ("cancel", "cancelled"), ("extend", "received")],
)
def test_closing_and_extending_ask_why(
    bob: Contact, alice: Client, action: str, after: str
) -> None:
    request = request_of(
        bob, status="received", received_on=date(2025, 1, 31), due_on=date(2025, 2, 28)
    )
    page = press(alice, REQUESTS, action, request)
    assert page.status_code == 200
    assert "Reason" in page.content.decode()
    assert status() == "received"
    assert confirm(alice, action, request).startswith("1 request ")
    assert status() == after
    request.refresh_from_db()
    assert request.extended is (action == "extend")


# ---- who decides -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action", ["verify", "approve", "extend", "reject", "cancel", "execute", "preview"]
)
def test_staff_who_own_nothing_look_and_press_nothing(
    bob: Contact, action: str, firm: Firm
) -> None:
    clerk = desk_of(staff_of(firm))
    request = request_of(bob, status="received")
    assert clerk.get(address("privacy.erasurerequest", "change", request.pk)).status_code == 200
    before = list(ErasureRequest.objects.values())
    told = confirm(clerk, action, request)
    assert "owners of its firm" in told or "a firm that you own" in told
    assert list(ErasureRequest.objects.values()) == before
    assert clerk.get(ADD).status_code == 403


@pytest.mark.parametrize("action", ["verify", "approve", "reject", "execute", "preview"])
def test_owners_do_not_reach_requests_of_others(alice: Client, action: str) -> None:
    theirs = request_of(bob_of(a_firm("Birch")), status="received")
    everywhere = request_of(user=account_of_bob(), status="received")
    before = list(ErasureRequest.objects.order_by("pk").values())
    confirm(alice, action, theirs, everywhere)
    assert list(ErasureRequest.objects.order_by("pk").values()) == before
    listed = alice.get(REQUESTS).content.decode()
    assert str(theirs) not in listed
    assert str(everywhere) not in listed


def test_requests_to_the_platform_are_for_superusers(office: Client) -> None:
    user = account_of_bob()
    answer = office.post(
        ADD,
        {"firm": "", "contact": "", "user": user.pk, "law": "ccpa", "received_on": NOW[:10]},
    )
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    request = ErasureRequest.objects.get()
    assert (request.firm, request.user, request.due_on) == (None, user, date(2025, 3, 27))
    assert confirm(office, "verify", request).endswith(" 1 request verified.")
    other = desk_of(UserFactory(is_staff=True, is_superuser=True))
    assert said(press(other, REQUESTS, "approve", request)) == "1 request approved."


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"contact": ""}, "Say whose request it is"),
        ({"firm": ""}, "This field is required."),
        ({"received_on": "2025-02-11"}, "This day has not come yet."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    bob: Contact, alice: Client, form: dict[str, Any], says: str
) -> None:
    usual = {"firm": bob.firm_id, "contact": bob.pk, "user": "", "law": "gdpr"}
    answer = alice.post(ADD, usual | {"received_on": "2025-02-10"} | form)
    assert answer.status_code == 200
    assert says in BeautifulSoup(answer.content, "html.parser").get_text()
    assert not ErasureRequest.objects.exists()


def test_an_owner_cannot_ask_for_somebody_elses_contact(alice: Client) -> None:
    theirs = bob_of(a_firm("Birch"))
    form = {"firm": theirs.firm_id, "contact": theirs.pk, "law": "gdpr"}
    answer = alice.post(ADD, form | {"received_on": "2025-02-10"})
    assert answer.status_code == 200
    assert not ErasureRequest.objects.exists()


def test_a_page_shows_what_was_done_and_never_the_person(bob: Contact, office: Client) -> None:
    furnish(bob)
    request = request_of(bob)
    execute(request)
    page = office.get(address("privacy.erasurerequest", "change", request.pk))
    text = BeautifulSoup(page.content, "html.parser").get_text(" ")
    assert "notifications" in text
    assert "Dec. 31, 2034" in text
    assert "ledger_views" in text
    assert NAME not in text


# ---- what only the law keeps -----------------------------------------------------------------


def test_records_that_only_the_law_keeps_are_hidden(
    bob: Contact, firm: Firm, office: Client
) -> None:
    hidden = paid_invoice(bob)
    shown = paid_invoice(ContactFactory(firm=firm))
    execute(request_of(bob))
    clerk = staff_of(firm)
    desk, where = desk_of(clerk), address("billing.invoice", "changelist")
    assert shown.number in desk.get(where).content.decode()
    assert hidden.number not in desk.get(where).content.decode()
    page = address("billing.invoice", "change", hidden.pk)
    assert desk.get(page).status_code == 302
    account = address("billing.payment", "changelist")
    assert len(desk.get(account).context["cl"].result_list) == 1
    for one in (office, with_the_right_to_see(clerk)):
        assert hidden.number in one.get(where).content.decode()
        assert f"{NAME}" in one.get(page).content.decode()
    assert Invoice.objects.count() == 2


def with_the_right_to_see(user: User) -> Client:
    user.user_permissions.add(Permission.objects.get(codename="see_restricted"))
    return desk_of(user)


def test_the_right_to_see_them_is_no_right_of_staff(firm: Firm) -> None:
    assert not staff_of(firm).has_perm("firms.see_restricted")


def test_the_period_for_everywhere_else_stays(office: Client) -> None:
    everywhere = StatutoryPeriod.objects.get(country="")
    where = address("privacy.statutoryperiod", "delete", everywhere.pk)
    assert office.post(where, {"post": "yes"}).status_code == 403
    georgia = StatutoryPeriod.objects.create(country="GE", years=6, source="Tax Code")
    where = address("privacy.statutoryperiod", "delete", georgia.pk)
    assert office.post(where, {"post": "yes"}).status_code == 302
