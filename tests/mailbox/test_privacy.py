"""What a firm keeps no longer, and what somebody wrote who asks for it or is erased …"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone

from apps.contacts.models import Contact
from apps.firms.models import Firm, LegalHold, User
from apps.mailbox.models import EmailConnection, EmailMessage, Ticket, TicketEntry
from apps.mailbox.services import close_ticket
from tests.factories import EmailConnectionFactory, LegalHoldFactory, MembershipFactory
from tests.mailbox.corpus import attachment, multipart
from tests.mailbox.post import letter, take_in
from tests.privacy.erasing import EMAIL, NAME, a_firm, account_of_bob, bob_of, execute
from tests.privacy.erasing import request_of as erasure_of
from tests.privacy.expiring import policy, run
from tests.privacy.exporting import exported

pytestmark = pytest.mark.django_db

CAROL = "Carol <carol@example.com>"


@pytest.fixture
def firm(folder: Path) -> Firm:
    return a_firm()


@pytest.fixture
def inbox(firm: Firm) -> EmailConnection:
    connection: EmailConnection = EmailConnectionFactory(firm=firm, name="Support Inbox")
    return connection


@pytest.fixture
def bob(firm: Firm) -> Contact:
    return bob_of(firm, user=account_of_bob(), email_verified_at=timezone.now())


def his_letter() -> bytes:
    text = "Content-Type: text/plain\r\n\r\nWhere is my order?"
    order = attachment("order.pdf", content=b"%PDF his order")
    raw = multipart("Order", text, order)
    return raw.replace(b"From: ada@example.com", f"From: {NAME} <{EMAIL}>".encode())


def conversation(inbox: EmailConnection) -> Ticket:
    """Bob has asked, and Carol has said something, too; all of it has been kept."""
    take_in(inbox, his_letter(), keep=True)
    asked = inbox.messages.get()
    answer = letter("Re: Order", message_id="2@x", sender=CAROL, body="Mine is late as well.")
    take_in(inbox, answer.replace(b"To:", f"In-Reply-To: <{asked.message_id}>\r\nTo:".encode()))
    return inbox.firm.tickets.get()


def kept(folder: Path) -> int:
    return sum(path.is_file() for path in folder.glob("firms/*/*/*"))


# ---- what he asks for ------------------------------------------------------------------------


def test_a_copy_has_what_he_wrote_and_nothing_of_hers(
    inbox: EmailConnection, bob: Contact, tmp_path: Path
) -> None:
    conversation(inbox)
    out = tmp_path / "out"
    out.mkdir()
    copy = exported(User.objects.get(username="bob_marley"), out)
    letters = copy.records("alder/letters.json")
    assert [one["text"] for one in letters if "text" in one] == ["Where is my order?"]
    assert b"%PDF his order" in copy.files.values()
    assert "Mine is late" not in copy.text
    assert "carol" not in copy.text.lower()


# ---- what he wants gone ----------------------------------------------------------------------


def test_an_erasure_lets_his_letters_and_their_files_go_and_leaves_hers(
    inbox: EmailConnection, bob: Contact, folder: Path
) -> None:
    conversation(inbox)
    assert kept(folder) == 2

    said = execute(erasure_of(bob))

    assert "Erasure completed" in said, said
    assert kept(folder) == 0
    [hers] = EmailMessage.objects.all()
    assert (hers.sender_email, hers.text) == ("carol@example.com", "Mine is late as well.\n")
    ticket = Ticket.objects.get()
    assert (ticket.subject, ticket.requester) == (f"Erased ticket {ticket.pk}", None)
    assert (ticket.requester_name, ticket.requester_email) == ("", "")
    assert TicketEntry.objects.count() == 1


def test_what_he_wrote_does_not_come_back_but_he_may_write_again(
    inbox: EmailConnection, bob: Contact
) -> None:
    conversation(inbox)
    execute(erasure_of(bob))

    report = take_in(inbox, his_letter())  # the server has numbered its letters anew

    assert (report.done, report.skipped) == (0, 1)
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        sender = f"{NAME} <{EMAIL}>"
        report = take_in(inbox, letter("Again", message_id="3@x", sender=sender))
    assert report.done == 1


# ---- what is kept no longer ------------------------------------------------------------------


def later(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@pytest.mark.parametrize("action", ["delete", "anonymise"])
def test_letters_go_when_they_are_old_and_their_ticket_is_closed(
    inbox: EmailConnection, bob: Contact, folder: Path, action: str
) -> None:
    policy(inbox.firm, "emails", action=action)
    neighbour = EmailConnectionFactory()
    take_in(neighbour, letter("Theirs", message_id="1@x"))
    ticket = conversation(inbox)
    done = {"delete": "deleted", "anonymise": "anonymised"}[action]

    assert f"emails: 0 {done}, 0 held" in run(now=later(100))  # it is open
    close_ticket(ticket=ticket, actor=None, now=timezone.now())
    assert f"emails: 0 {done}, 0 held" in run(now=later(89))
    assert f"emails: 2 {done}, 0 held" in run(now=later(100))
    assert f"emails: 0 {done}, 0 held" in run(now=later(101))

    assert kept(folder) == 0
    left = EmailMessage.objects.filter(firm=inbox.firm)
    told = {(one.subject, one.text, one.sender_email, one.message_id) for one in left}
    assert told == (set() if action == "delete" else {("", "", "", "")})
    tickets = Ticket.objects.filter(firm=inbox.firm).values_list("requester_email", flat=True)
    assert list(tickets) == ([] if action == "delete" else [""])
    assert EmailMessage.objects.filter(firm=neighbour.firm, subject="Theirs").exists()


def test_letters_of_somebody_who_is_held_stay_with_their_files(
    inbox: EmailConnection, bob: Contact, folder: Path
) -> None:
    policy(inbox.firm, "emails")
    policy(inbox.firm, "documents")  # files of letters go with these, not by themselves
    close_ticket(ticket=conversation(inbox), actor=None, now=timezone.now())
    hold = LegalHoldFactory(
        firm=inbox.firm, subject_type=LegalHold.Subject.CONTACT, subject_id=bob.pk
    )

    said = run(now=later(100))

    assert "emails: 1 deleted, 1 held" in said, said
    assert EmailMessage.objects.get().sender_email == EMAIL
    assert kept(folder) == 2
    hold.released_at = timezone.now()
    hold.save()
    assert "emails: 1 deleted, 0 held" in run(now=later(101))
    assert kept(folder) == 0
    assert not Ticket.objects.exists()


def test_a_dry_run_counts_what_a_run_would_delete(inbox: EmailConnection, bob: Contact) -> None:
    policy(inbox.firm, "emails")
    close_ticket(ticket=conversation(inbox), actor=None, now=timezone.now())
    assert "emails: 2 would be deleted" in run(now=later(100), dry_run=True)
    assert EmailMessage.objects.count() == 2


def test_people_of_another_firm_of_the_same_address_are_left_alone(
    inbox: EmailConnection, bob: Contact
) -> None:
    neighbour = EmailConnectionFactory()
    MembershipFactory(firm=neighbour.firm)
    take_in(neighbour, his_letter())
    conversation(inbox)
    execute(erasure_of(bob))
    assert EmailMessage.objects.filter(firm=neighbour.firm).count() == 1
