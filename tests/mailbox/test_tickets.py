"""A letter belongs to …"""

from datetime import UTC, datetime

import pytest
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.firms.models import Firm, User
from apps.mailbox.models import EmailConnection, EmailMessage, Ticket, TicketEntry
from apps.mailbox.services import assign_ticket, close_ticket, reopen_ticket
from apps.mailbox.tokens import named_tickets, reply_address, subject_token
from tests.factories import (
    ContactFactory,
    EmailConnectionFactory,
    FirmFactory,
    MembershipFactory,
    TicketFactory,
)
from tests.mailbox.post import letter, take_in

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def inbox(firm: Firm) -> EmailConnection:
    connection: EmailConnection = EmailConnectionFactory(
        firm=firm, name="Support Inbox", username="support@example.test"
    )
    return connection


def conversations() -> list[list[str]]:
    """The subjects of the letters of each ticket."""
    return [
        list(
            EmailMessage.objects.filter(entry__ticket=ticket)
            .order_by("pk")
            .values_list("subject", flat=True)
        )
        for ticket in Ticket.objects.order_by("pk")
    ]


def first() -> bytes:
    return letter("First", message_id="1@x")


def answer(subject: str, to: str, **fields: str) -> bytes:
    name = subject.lower().replace(" ", "-")
    return letter(subject, message_id=f"{name}@x", In_Reply_To=f"<{to}@x>", **fields)


# ---- which ticket ---------------------------------------------------------------------------


def test_a_ticket_of_its_own(inbox: EmailConnection) -> None:
    take_in(inbox, first(), letter("Second", message_id="2@x"))
    assert conversations() == [["First"], ["Second"]]
    ticket = Ticket.objects.earliest("pk")
    assert (ticket.subject, ticket.status) == ("First", "open")
    assert (ticket.requester_name, ticket.requester_email) == ("Ada Byron", "ada@example.com")
    assert (
        ticket.opened_at
        == ticket.last_message_at
        == EmailMessage.objects.earliest("pk").received_at
    )


def test_the_ticket_of_what_it_answers(inbox: EmailConnection) -> None:
    take_in(inbox, first())
    take_in(inbox, answer("Re: First", "1"))
    take_in(inbox, answer("Changed subject", "re:-first"))
    assert conversations() == [["First", "Re: First", "Changed subject"]]


def test_the_ticket_of_what_it_refers_to(inbox: EmailConnection) -> None:
    take_in(inbox, first())
    take_in(inbox, letter("Re", message_id="9@x", References="<0@x> <1@x>"))
    assert conversations() == [["First", "Re"]]


def test_the_ticket_of_what_it_answers_before_what_it_refers_to(inbox: EmailConnection) -> None:
    take_in(inbox, first(), letter("Second", message_id="2@x"))
    take_in(inbox, answer("Re", "2", References="<1@x>"))
    assert conversations() == [["First"], ["Second", "Re"]]


def test_the_ticket_of_its_answer_which_came_first(inbox: EmailConnection) -> None:
    take_in(inbox, answer("Re: First", "1"), first())
    take_in(inbox, answer("Re: Second", "2"))
    take_in(inbox, letter("Second", message_id="2@x"))
    assert conversations() == [["Re: First", "First"], ["Re: Second", "Second"]]


def test_the_ticket_of_what_another_referred_to(inbox: EmailConnection) -> None:
    take_in(inbox, answer("Re: one", "never-seen"))
    take_in(inbox, answer("Re: two", "never-seen"))
    assert conversations() == [["Re: one", "Re: two"]]


def test_no_ticket_because_of_its_subject_alone(inbox: EmailConnection) -> None:
    take_in(inbox, letter("Help", message_id="1@x"), letter("Re: Help", message_id="2@x"))
    take_in(inbox, letter("Help", message_id="3@x"))
    assert conversations() == [["Help"], ["Re: Help"], ["Help"]]


def test_one_entry_however_many_mailboxes_it_came_to(inbox: EmailConnection) -> None:
    other = EmailConnectionFactory(firm=inbox.firm, name="Billing Inbox")
    take_in(inbox, first())
    take_in(other, first(), answer("Re: First", "1"))
    take_in(inbox, answer("Re: First", "1"))
    assert EmailMessage.objects.count() == 4
    assert TicketEntry.objects.count() == 2
    assert Ticket.objects.count() == 1
    [one, two] = TicketEntry.objects.order_by("pk")
    assert one.messages.count() == two.messages.count() == 2


def test_an_entry_of_its_own_if_it_says_something_else(inbox: EmailConnection) -> None:
    other = EmailConnectionFactory(firm=inbox.firm, name="Billing Inbox")
    take_in(inbox, letter("True", message_id="1@x", body="Pay to account 1."))
    take_in(other, letter("True", message_id="1@x", body="Pay to account 2."))
    assert TicketEntry.objects.count() == 2
    assert conversations() == [["True"], ["True"]]


def test_a_ticket_of_its_own_if_a_program_gives_all_letters_the_same_id(
    inbox: EmailConnection,
) -> None:
    forms = [letter(f"Form {n}", message_id="always@same", body=f"I am {n}") for n in range(3)]
    take_in(inbox, *forms[:2])
    take_in(inbox, forms[2])
    assert conversations() == [["Form 0"], ["Form 1"], ["Form 2"]]


def test_nobodys_conversation_of_another_firm(inbox: EmailConnection) -> None:
    neighbour = EmailConnectionFactory(firm=FirmFactory())
    take_in(neighbour, first())
    take_in(inbox, first(), answer("Re: First", "1"))
    assert Ticket.objects.filter(firm=neighbour.firm).get().entries.count() == 1
    assert Ticket.objects.filter(firm=inbox.firm).get().entries.count() == 2


def test_no_ticket_if_nobody_can_read_it(inbox: EmailConnection) -> None:
    take_in(inbox, b"\x00 noise")
    assert EmailMessage.objects.get().entry is None
    assert not Ticket.objects.exists()


# ---- tokens ---------------------------------------------------------------------------------


def test_the_ticket_that_its_subject_names(inbox: EmailConnection) -> None:
    take_in(inbox, first())
    token = subject_token(Ticket.objects.get())
    take_in(inbox, letter(f"New program {token}", message_id="2@x"))
    take_in(inbox, letter(f"SHOUTING {token.upper()}", message_id="3@x"))
    assert [len(subjects) for subjects in conversations()] == [3]


def test_the_ticket_that_its_address_names(inbox: EmailConnection) -> None:
    take_in(inbox, first())
    to = reply_address(Ticket.objects.get(), inbox.address)
    assert to.startswith("support+")
    assert to.endswith("@example.test")
    take_in(inbox, letter("To", message_id="2@x", to=to.upper()))
    take_in(inbox, letter("Cc", message_id="3@x", Cc=f"Bob <bob@example.com>, <{to}>"))
    take_in(inbox, letter("Blind", message_id="4@x", Delivered_To=to))
    assert [len(subjects) for subjects in conversations()] == [4]


def test_what_it_answers_rather_than_what_its_subject_names(inbox: EmailConnection) -> None:
    take_in(inbox, first(), letter("Second", message_id="2@x"))
    token = subject_token(Ticket.objects.earliest("pk"))
    take_in(inbox, answer(token, "2"))
    assert [len(subjects) for subjects in conversations()] == [1, 2]


def test_no_ticket_that_is_named_without_right(inbox: EmailConnection) -> None:
    theirs = TicketFactory(subject="Theirs")
    ours = TicketFactory(firm=inbox.firm, subject="Ours")
    stolen = subject_token(theirs).replace(f"#{theirs.pk}-", f"#{ours.pk}-")
    guessed = f"[#{ours.pk}-aaaaaaaaaaaaaaaa]"
    gone = subject_token(Ticket(pk=999_999, firm=inbox.firm))
    for number, token in enumerate(
        (subject_token(theirs), stolen, guessed, gone, f"[#{ours.pk}]")
    ):
        take_in(inbox, letter(f"x {token}", message_id=f"{number}@x"))
    assert [len(subjects) for subjects in conversations()] == [0, 0, 1, 1, 1, 1, 1]


def test_a_ticket_named_with_a_former_key(inbox: EmailConnection, settings: Settings) -> None:
    take_in(inbox, first())
    token = subject_token(Ticket.objects.get())
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-" * 8
    assert named_tickets(inbox.firm_id, token, ()) == [Ticket.objects.get().pk]
    settings.SECRET_KEY_FALLBACKS = []
    assert named_tickets(inbox.firm_id, token, ()) == []


# ---- whose ----------------------------------------------------------------------------------


def test_the_contact_whose_confirmed_address_it_came_from(inbox: EmailConnection) -> None:
    ada = ContactFactory(firm=inbox.firm, email="ada@example.com", email_verified_at=NOON)
    ContactFactory(email="ada@example.com", email_verified_at=NOON)  # of another firm
    take_in(inbox, first())
    assert Ticket.objects.get().requester == ada


@pytest.mark.parametrize("which", ["unconfirmed", "erased", "shared"])
def test_nobody_who_only_says_so(inbox: EmailConnection, which: str) -> None:
    how = {"email_verified_at": None if which == "unconfirmed" else NOON}
    for _ in range(1 + (which == "shared")):
        ContactFactory(
            firm=inbox.firm,
            email="ada@example.com",
            erased_at=NOON if which == "erased" else None,
            **how,
        )
    take_in(inbox, first())
    assert Ticket.objects.get().requester is None


# ---- open and closed ------------------------------------------------------------------------


def test_opens_a_closed_ticket_again(inbox: EmailConnection) -> None:
    take_in(inbox, first())
    ticket = Ticket.objects.get()
    close_ticket(ticket=ticket, actor=None, now=NOON)
    take_in(inbox, answer("Re: First", "1"))
    ticket.refresh_from_db()
    assert (ticket.status, ticket.closed_at) == ("open", None)
    events = AuditEvent.objects.order_by("pk").values_list("action", "reason")
    assert list(events) == [("ticket_closed", ""), ("ticket_reopened", "A letter came in")]


def test_leaves_a_ticket_closed_if_a_machine_wrote_it(inbox: EmailConnection) -> None:
    take_in(inbox, first())
    close_ticket(ticket=Ticket.objects.get(), actor=None, now=NOON)
    take_in(inbox, answer("Out of office", "1", Auto_Submitted="auto-replied"))
    ticket = Ticket.objects.get()
    assert ticket.status == "closed"
    assert ticket.entries.count() == 2


def test_people_close_open_and_assign_tickets(firm: Firm) -> None:
    ticket = TicketFactory(firm=firm)
    olga, stan = (User.objects.get(username=name) for name in ("olga", "stan"))
    assign_ticket(ticket=ticket, to=stan, actor=olga)
    close_ticket(ticket=ticket, actor=stan, now=NOON)
    with pytest.raises(Problem, match="is closed already"):
        close_ticket(ticket=ticket, actor=stan, now=NOON)
    reopen_ticket(ticket=ticket, actor=olga, now=NOON)
    with pytest.raises(Problem, match="is open already"):
        reopen_ticket(ticket=ticket, actor=olga, now=NOON)
    assign_ticket(ticket=ticket, to=None, actor=olga)
    told = AuditEvent.objects.order_by("pk").values_list("action", "actor__username", "changes")
    assert list(told) == [
        ("ticket_assigned", "olga", {"assigned_to": [None, stan.pk]}),
        ("ticket_closed", "stan", {}),
        ("ticket_reopened", "olga", {}),
        ("ticket_assigned", "olga", {"assigned_to": [stan.pk, None]}),
    ]


def test_nobody_is_given_a_ticket_who_does_not_work_here(firm: Firm) -> None:
    ticket = TicketFactory(firm=firm)
    gone = MembershipFactory(firm=firm, is_active=False).user
    for stranger in (MembershipFactory().user, gone):
        with pytest.raises(Problem, match="does not work here"):
            assign_ticket(ticket=ticket, to=stranger, actor=None)
