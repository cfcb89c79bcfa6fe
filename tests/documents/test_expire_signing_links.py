"""The job that expires signing links nobody used (spec D22)."""

import io
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEvent
from apps.core.problems import BadOption
from apps.documents import services
from apps.documents.messages import SIGNING_LINKS_EXPIRED
from apps.documents.models import SignatureRequest
from apps.firms.models import Firm
from apps.leasing.models import Lease
from apps.notifications.models import Notification
from tests.documents.asking import NOW, ask
from tests.factories import (
    ContactFactory,
    DocumentFactory,
    FirmFactory,
    LeaseFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def told() -> Any:
    return Notification.objects.filter(type="signing_links_expired")


def output(**options: Any) -> str:
    out = io.StringIO()
    call_command("expire_signing_links", stdout=out, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("age", "days", "status"),
    [
        (timedelta(days=7), 7, "pending"),
        (timedelta(days=7, seconds=1), 7, "expired"),
        (timedelta(days=8), 7, "expired"),
        (timedelta(days=3), 7, "pending"),
        (timedelta(days=3), 3, "pending"),
        (timedelta(days=3, seconds=1), 3, "expired"),
        (timedelta(days=8), 30, "expired"),  # past its own end, whatever the option says
    ],
)
def test_expires_links_strictly_older_than_the_days(
    age: timedelta, days: int, status: str
) -> None:
    ask(at=NOW - age)
    services.expire_signing_links(days=days)
    assert SignatureRequest.objects.get().status == status


def test_expires_viewed_links_too_and_says_when() -> None:
    request, _ = ask(at=NOW - timedelta(days=8))
    services.view(request=request, now=NOW - timedelta(days=8))
    services.expire_signing_links()
    request.refresh_from_db()
    assert (request.status, request.expired_at) == ("expired", NOW)


def test_counts_days_of_24_hours_over_a_clock_change() -> None:
    # New York's clocks moved on 9 March 2025, between these two.
    with time_machine.travel(NOW.replace(month=3, day=12), tick=False) as clock:
        ask(at=NOW.replace(month=3, day=5))
        assert services.expire_signing_links().done == 0
        clock.shift(1)
        assert services.expire_signing_links().done == 1


@pytest.mark.parametrize("status", ["signed", "declined", "revoked"])
def test_never_touches_what_was_answered_or_withdrawn(status: str) -> None:
    ask(at=NOW - timedelta(days=20))
    signed_at = NOW - timedelta(days=20) if status == "signed" else None
    SignatureRequest.objects.update(status=status, signed_at=signed_at)
    before = SignatureRequest.objects.values().get()
    services.expire_signing_links()
    assert SignatureRequest.objects.values().get() == before


@pytest.mark.parametrize("status", Firm.Status.values)
def test_serves_every_firm_also_a_suspended_or_closed_one(status: str) -> None:
    ask(at=NOW - timedelta(days=8), document=DocumentFactory(firm=FirmFactory(status=status)))
    assert services.expire_signing_links().done == 1


def test_of_one_firm_leaves_the_neighbour_alone() -> None:
    ours, _ = ask(at=NOW - timedelta(days=8))
    theirs, _ = ask(at=NOW - timedelta(days=8))
    services.expire_signing_links(firm_id=ours.firm_id)
    theirs.refresh_from_db()
    assert theirs.status == "pending"
    assert SignatureRequest.objects.get(pk=ours.pk).status == "expired"


def test_leaves_a_lease_of_two_signers_pending_and_keeps_the_first_signature() -> None:
    lease = LeaseFactory(status=Lease.Status.PENDING_SIGNATURE)
    document = DocumentFactory(firm=lease.firm)
    Lease.objects.update(agreement=document)
    asked_at = NOW - timedelta(days=8)
    first, _ = ask(document=document, at=asked_at)
    services.sign(request=first, name="Ada Lovelace", now=asked_at)
    second, _ = ask(document=document, signer=ContactFactory(firm=lease.firm), at=asked_at)
    services.expire_signing_links()
    lease.refresh_from_db()
    assert lease.status == "pending_signature"
    _, token = ask(document=document, signer=second.signer)
    again = services.find_by_token(token)
    assert again
    services.sign(request=again, name="Bob", now=NOW)
    signed = document.signature_requests.order_by("pk").values_list("status", "signed_name")
    assert list(signed) == [("signed", "Ada Lovelace"), ("signed", "Bob")]


def test_tells_the_sender_once_per_link_in_one_digest() -> None:
    sender = UserFactory()
    document = DocumentFactory()
    for name in ("Bob", "Ada"):
        signer = ContactFactory(firm=document.firm, display_name=name)
        ask(document=document, signer=signer, by=sender, at=NOW - timedelta(days=8))
    ask(at=NOW - timedelta(days=8))  # nobody asked: nobody is told
    services.expire_signing_links()
    services.expire_signing_links()
    notifications = list(told())
    assert [n.recipient_user for n in notifications] == [sender, sender]
    assert SIGNING_LINKS_EXPIRED.digestable
    words = SIGNING_LINKS_EXPIRED.write(notifications)
    assert words.subject == "2 signing links have expired"
    assert words.text == (
        "Nobody used these signing links in time:\n\n"
        "  • Residential lease – Ada\n"
        "  • Residential lease – Bob\n"
        "\nSend them again here:\n"
        "http://127.0.0.1:8000/admin/documents/signaturerequest/?status__exact=expired\n"
    )


def test_news_of_a_link_that_was_sent_again_are_not_sent() -> None:
    request, _ = ask(by=UserFactory(), at=NOW - timedelta(days=8))
    services.expire_signing_links()
    notification = told().get()
    assert SIGNING_LINKS_EXPIRED.still_wanted
    assert SIGNING_LINKS_EXPIRED.still_wanted([notification]) == {}
    ask(document=request.document, signer=request.signer)
    why = SIGNING_LINKS_EXPIRED.still_wanted([notification])
    assert why == {notification.pk: "sent again"}


def test_a_link_that_expires_again_is_told_again() -> None:
    sender = UserFactory()
    request, _ = ask(by=sender, at=NOW - timedelta(days=30))
    services.expire_signing_links()
    ask(
        document=request.document,
        signer=request.signer,
        by=sender,
        at=NOW - timedelta(days=8),
    )
    services.expire_signing_links()
    assert told().count() == 2


def test_is_written_down_as_the_systems_act() -> None:
    ask(at=NOW - timedelta(days=8))
    services.expire_signing_links()
    assert AuditEvent.objects.get(action="signing_link_expired").actor_label == "system"


def test_says_how_many_and_again_none() -> None:
    for _ in range(4):
        ask(at=NOW - timedelta(days=8))
    ask(at=NOW - timedelta(days=6))
    assert output() == "Expired 4 signing links older than 7 days.\n"
    assert output() == "Expired 0 signing links older than 7 days.\n"


def test_a_dry_run_says_what_would_happen_and_leaves_no_trace() -> None:
    for _ in range(4):
        ask(by=UserFactory(), at=NOW - timedelta(days=8))
    assert output(dry_run=True) == "Would expire 4 signing links older than 7 days.\n"
    assert set(SignatureRequest.objects.values_list("status")) == {("pending",)}
    assert not told().exists()
    assert not AuditEvent.objects.filter(action="signing_link_expired").exists()


@pytest.mark.parametrize("days", [0, -1])
def test_refuses_days_below_one(days: int) -> None:
    ask(at=NOW - timedelta(days=8))
    with pytest.raises(CommandError, match=r"^--days must be a positive integer\.$"):
        output(days=days)
    assert SignatureRequest.objects.get().status == "pending"


def test_refuses_an_unknown_firm() -> None:
    with pytest.raises(BadOption, match=r"^Firm with ID 999 does not exist\.$"):
        services.expire_signing_links(firm_id=999)


def test_asks_no_more_of_the_database_for_more_links() -> None:
    sender = UserFactory()

    def queries(links: int) -> int:
        document = DocumentFactory()
        for signer in ContactFactory.create_batch(links, firm=document.firm):
            ask(document=document, signer=signer, by=sender, at=NOW - timedelta(days=8))
        with CaptureQueriesContext(connection) as captured:
            assert services.expire_signing_links().done == links
        return len(captured)

    assert queries(3) == queries(30)
