"""sync_emails … (spec D31; the numbers are those of its acceptance cases)."""

import io
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from apps.core.fields import Secrets
from apps.firms.models import Firm, RetentionPolicy
from apps.integrations.mailboxes import Auth
from apps.jobs.models import JobRun
from apps.mailbox.models import EmailConnection, EmailFolderState, EmailMessage
from apps.mailbox.services import sync_emails
from tests.factories import FirmFactory
from tests.mailbox.post import Post, ago, letter, letters, summary, sync
from tests.servers.absurd import cutting
from tests.servers.dovecot import access_token
from tests.servers.imap import MailHost

pytestmark = [pytest.mark.django_db, pytest.mark.dovecot]


# ---- what it stores -------------------------------------------------------------------------


def test_says_what_it_did(server: MailHost, firm: Firm) -> None:
    support, sales = (Post.open(server, firm, f"{name} Inbox") for name in ("Support", "Sales"))
    support.deliver(*letters(12))
    server.set_password(sales.user, "another")

    assert sync(tenant="mycompany") == (
        "Syncing emails for tenant: mycompany\n"
        "  ✓ Support Inbox: 12 new messages\n"
        "  ✗ Sales Inbox: authentication failed\n"
        "\n"
        "Summary:\n"
        "  Tenants processed: 1\n"
        "  Connections synced: 1\n"
        "  New messages: 12\n"
        "  Errors: 1\n"
        "CommandError: 1 item(s) failed; see the log.\n"
    )


def test_stores_what_a_letter_says(post: Post) -> None:
    received = ago(days=2).replace(microsecond=0)
    written = letter(
        "Login",
        message_id="Abc@Mail.Example.COM",
        sender='"Byron, Ada" <Ada@Example.com>',
        to="Support <support@example.test>, bob@example.com",
        Cc="Friends: carol@example.com, dan@example.com;",
        Date="Sun, 1 Jun 2025 10:00:00 +0400",
        References="<one@example.com> <two@example.com>",
        In_Reply_To="<two@example.com>",
    )
    post.deliver(written, received=received)

    sync()

    [stored] = post.messages()
    assert stored.firm_id == post.connection.firm_id
    assert (stored.folder, stored.uid) == ("INBOX", 1)
    assert stored.message_key == "id:Abc@mail.example.com"
    assert stored.message_id == "Abc@mail.example.com"
    assert stored.in_reply_to == "two@example.com"
    assert stored.references == ["one@example.com", "two@example.com"]
    assert (stored.sender_name, stored.sender_email) == ("Byron, Ada", "ada@example.com")
    assert stored.to == ["Support <support@example.test>", "bob@example.com"]
    assert stored.cc == ["carol@example.com", "dan@example.com"]
    assert (stored.subject, stored.text) == ("Login", "How do I log in?\n")
    assert stored.received_at == received
    assert stored.header_date is not None
    assert stored.header_date.isoformat() == "2025-06-01T06:00:00+00:00"
    assert stored.size == len(written)
    assert (stored.state, stored.is_auto, stored.problem) == ("stored", False, "")


def test_does_nothing_the_second_time(post: Post) -> None:  # (1), the trap of "n:*"
    post.deliver(*letters(3))
    sync()
    before = list(EmailMessage.objects.values())

    assert summary(sync())["New messages"] == "0"

    assert list(EmailMessage.objects.values()) == before
    assert post.cursor() == 3


def test_knows_its_letters_when_all_numbers_are_new(post: Post) -> None:  # (2)
    post.deliver(*letters(40))
    sync()
    before = EmailFolderState.objects.get()
    post.server.renumber(post.user)
    post.deliver(*letters(1, start=41))

    assert summary(sync())["New messages"] == "1"

    after = EmailFolderState.objects.get()
    assert before.uidvalidity != after.uidvalidity
    assert after.last_uid == 41
    assert EmailMessage.objects.count() == 41


def test_works_off_a_backlog_oldest_first_without_a_gap(post: Post) -> None:  # (3), by fives
    post.deliver(*letters(12))
    counts = []
    for expected in (5, 10, 12, 12):
        counts.append(summary(sync(max_messages=5))["New messages"])
        assert post.subjects() == [f"Letter {n}" for n in range(1, expected + 1)]
    assert counts == ["5", "5", "2", "0"]


@pytest.mark.parametrize(("limit", "runs"), [(1, 4), (2, 2), (3, 2), (4, 1)])
def test_loses_none_of_a_backlog_whatever_the_limit(post: Post, limit: int, runs: int) -> None:
    post.deliver(*letters(2), b"\x00 no letter", *letters(2, start=4))
    for _ in range(runs):
        sync(max_messages=limit)
    assert [message.uid for message in post.messages()] == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_works_off_twelve_hundred_letters(post: Post) -> None:  # (3)
    post.deliver(*letters(1200))
    counts = [summary(sync())["New messages"] for _ in range(4)]
    assert counts == ["500", "500", "200", "0"]
    assert post.subjects() == [f"Letter {n}" for n in range(1, 1201)]


def test_counts_all_folders_against_the_limit(post: Post) -> None:
    post.connection.folders = "INBOX\nSent\n"
    post.connection.save()
    post.deliver(*letters(3))
    post.deliver(*letters(3, start=11), folder="Sent")

    counts = [summary(sync(max_messages=4))["New messages"] for _ in range(3)]

    assert counts == ["4", "2", "0"]
    assert (post.cursor(), post.cursor("Sent")) == (3, 3)


def test_keeps_what_nobody_can_read_and_goes_on(post: Post) -> None:  # (4)
    first, second, *rest = letters(4)
    post.deliver(first, second, b"\x00\xff no letter at all", *rest)

    out = sync()

    assert "  ✗ Support Inbox: message 3 of INBOX: it has no header\n" in out
    assert summary(out)["New messages"] == "4"
    assert summary(out)["Errors"] == "1"
    states = [message.state for message in post.messages()]
    assert states == ["stored", "stored", "unparseable", "stored", "stored"]
    assert post.messages()[2].problem == "it has no header"
    assert post.cursor() == 5
    again = summary(sync())
    assert (again["New messages"], again["Errors"]) == ("0", "0")


def test_goes_on_where_the_connection_was_lost(post: Post) -> None:  # (5)
    post.deliver(*letters(20))
    with cutting(post.server.port, after=7) as port:
        EmailConnection.objects.update(port=port)
        out = sync()
    assert "  ✗ Support Inbox: the connection was lost\n" in out
    assert post.subjects() == [f"Letter {n}" for n in range(1, 8)]
    assert post.cursor() == 7

    EmailConnection.objects.update(port=post.server.port, backoff_until=None)
    assert summary(sync())["New messages"] == "13"
    assert post.subjects() == [f"Letter {n}" for n in range(1, 21)]


def test_leaves_every_letter_as_unread_as_it_was(post: Post) -> None:  # (6)
    for number, flags in enumerate(("", "S", "F", "")):
        post.deliver(*letters(1, start=number), flags=flags)
    sync()
    kept = sorted(set(flags) - {b"\\Recent"} for flags in post.server.flags(post.user))
    assert sorted(map(sorted, kept)) == [[], [], [b"\\Flagged"], [b"\\Seen"]]


def test_leaves_a_mailbox_alone_that_another_run_has(post: Post) -> None:  # (7)
    post.deliver(*letters(1))
    soon = timezone.now() + timedelta(minutes=10)
    lease = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    EmailConnection.objects.update(lease=lease, lease_expires_at=soon)

    out = sync()

    assert summary(out)["Tenants processed"] == "0"
    assert post.messages() == []
    assert str(post.now().lease) == lease
    with time_machine.travel(soon + timedelta(seconds=1)):  # whoever had it is gone
        assert summary(sync())["New messages"] == "1"
    assert post.now().lease is None


def test_stores_a_letter_without_an_id_once(post: Post) -> None:  # (8)
    same = letter("No id", Date="Sun, 1 Jun 2025 10:00:00 +0000")
    post.deliver(same, letter("No id", Date="Sun, 1 Jun 2025 10:00:01 +0000"))
    sync()
    assert len({message.message_key for message in post.messages()}) == 2
    post.server.renumber(post.user)
    post.deliver(same, folder="Copies")
    EmailConnection.objects.update(folders="INBOX\nCopies")

    assert summary(sync())["New messages"] == "0"


def test_stores_a_letter_of_two_folders_once(post: Post) -> None:
    EmailConnection.objects.update(folders="INBOX\nAll Mail")
    post.deliver(*letters(2))
    post.deliver(*letters(2), folder="All Mail")

    assert summary(sync())["New messages"] == "2"

    assert (post.cursor(), post.cursor("All Mail")) == (2, 2)


def test_stores_another_letter_that_has_the_same_id(post: Post) -> None:
    post.deliver(*(letter(f"Offer {n}", message_id="always@same") for n in range(3)))
    post.deliver(letter("Offer 1", message_id="always@same"))

    sync()

    assert post.subjects() == ["Offer 0", "Offer 1", "Offer 2"]
    assert len({message.message_key for message in post.messages()}) == 3
    post.server.renumber(post.user)
    assert summary(sync())["New messages"] == "0"


def test_begins_with_the_last_thirty_days(post: Post) -> None:
    for days in (400, 31, 29, 1):
        post.deliver(letter(f"{days} days ago"), received=ago(days=days))

    sync()

    assert post.subjects() == ["29 days ago", "1 days ago"]
    assert post.cursor() == 4
    # And keeps to that when all numbers are new.
    with time_machine.travel(timezone.now() + timedelta(days=20)):
        post.server.renumber(post.user)
        assert summary(sync())["New messages"] == "0"


def test_brings_nothing_back_that_the_firm_keeps_no_longer(post: Post) -> None:
    RetentionPolicy.objects.create(
        firm=post.connection.firm, data_type="emails", retention_days=10
    )
    for days in (20, 11, 9):
        post.deliver(letter(f"{days} days ago"), received=ago(days=days))

    sync()
    assert post.subjects() == ["9 days ago"]
    with time_machine.travel(timezone.now() + timedelta(days=5)):
        EmailMessage.objects.all().delete()  # as retention does
        post.server.renumber(post.user)
        assert summary(sync())["New messages"] == "0"


def test_keeps_only_the_header_of_a_letter_that_is_too_large(
    post: Post, settings: Settings
) -> None:
    settings.MAIL_LARGEST = 100_000
    post.deliver(
        letter("Small", message_id="1@x"),
        letter("Large", message_id="2@x", body="x" * 99 + "\r\n" + "y" * 100_000),
        letter("After", message_id="3@x"),
    )

    sync()

    assert [(one.subject, one.state) for one in post.messages()] == [
        ("Small", "stored"),
        ("Large", "truncated"),
        ("After", "stored"),
    ]
    large = post.messages()[1]
    assert (large.text, large.sender_email) == ("", "ada@example.com")
    assert large.size > 100_000
    assert large.entry is not None


def test_reads_several_folders_and_spares_them_each_others_trouble(post: Post) -> None:
    EmailConnection.objects.update(folders="Gone\nINBOX")
    post.deliver(*letters(2))

    out = sync()

    assert "  ✗ Support Inbox: the server refused to open the folder “Gone”\n" in out
    assert summary(out) == {
        "Tenants processed": "1",
        "Connections synced": "0",
        "New messages": "2",
        "Errors": "1",
    }
    connection = post.now()
    assert (connection.status, connection.last_sync_at) == ("ok", None)
    assert connection.problem.endswith("; there is INBOX")


def test_marks_what_a_machine_wrote(post: Post) -> None:
    post.deliver(
        letter("Person", message_id="1@x", Auto_Submitted="no"),
        letter("Out of office", message_id="2@x", Auto_Submitted="auto-replied; x=1"),
        letter("Newsletter", message_id="3@x", Precedence="bulk"),
        letter("Bounce", message_id="4@x", Return_Path="<>"),
        letter("Failure", message_id="5@x", sender="MAILER-DAEMON@example.com"),
        letter("Our own", message_id="6@x", sender=post.user.upper()),
    )
    sync()
    assert [message.is_auto for message in post.messages()] == [False] + [True] * 5


# ---- the five questions --------------------------------------------------------------------


def test_leaves_no_trace_in_a_dry_run(post: Post) -> None:
    post.deliver(*letters(2), b"\x00 no letter", *letters(1, start=3))

    out = sync(dry_run=True)

    assert "  ✓ Would store 3 new messages of Support Inbox\n" in out
    assert summary(out)["New messages that would be stored"] == "3"
    assert summary(out)["Errors"] == "1"
    assert not EmailMessage.objects.exists()
    assert not EmailFolderState.objects.exists()
    connection = post.now()
    assert connection.last_sync_at is None
    assert (connection.lease, connection.last_attempt_at) == (None, None)
    assert summary(sync())["New messages"] == "3"


def test_applies_a_preview_and_loses_nothing_that_came_since(post: Post) -> None:
    post.deliver(*letters(2))
    sync(dry_run=True)
    post.deliver(*letters(2, start=3))
    preview = JobRun.objects.get(dry_run=True)

    call_command("apply_preview", preview.pk, stdout=io.StringIO())

    assert post.subjects() == ["Letter 1", "Letter 2"]
    assert post.cursor() == 2
    assert summary(sync())["New messages"] == "2"
    assert post.subjects() == ["Letter 1", "Letter 2", "Letter 3", "Letter 4"]


def test_leaves_the_neighbour_untouched(post: Post) -> None:
    neighbour = Post.open(post.server, FirmFactory(slug="neighbour"), "Their Inbox")
    neighbour.deliver(*letters(2))
    post.deliver(*letters(2))

    sync(tenant="mycompany")

    assert len(post.messages()) == 2
    assert neighbour.messages() == []
    assert neighbour.now().last_attempt_at is None


def test_spares_the_others_one_mailbox_that_is_out_of_order(
    server: MailHost, firm: Firm
) -> None:
    broken = Post.open(server, firm, "A broken one", port=9)
    shut = Post.open(server, FirmFactory(), "A shut one", secret=Secrets(password="no"))
    good = Post.open(server, FirmFactory(), "A good one")
    good.deliver(*letters(1))

    out = sync()

    assert "  ✗ A broken one: the server could not be reached\n" in out
    assert "  ✗ A shut one: authentication failed\n" in out
    assert "  ✓ A good one: 1 new message\n" in out
    assert broken.now().status == "unreachable"
    assert shut.now().status == "auth_failed"


# ---- whose, and whether --------------------------------------------------------------------


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_leaves_firms_alone_that_are_not_served(post: Post, status: str) -> None:
    post.deliver(*letters(1))
    Firm.objects.update(status=status)
    assert summary(sync())["Tenants processed"] == "0"
    firm = post.connection.firm
    for asked in ({"tenant": "mycompany"}, {"firm_id": firm.pk}):
        assert sync(**asked).startswith(f"Firm {firm.pk} is {status}; skipped.\n")
    assert post.messages() == []


def test_leaves_mailboxes_alone_that_are_switched_off(post: Post) -> None:
    post.deliver(*letters(1))
    EmailConnection.objects.update(is_active=False)
    assert summary(sync())["Tenants processed"] == "0"


def test_begins_with_whoever_has_waited_longest(server: MailHost) -> None:
    names = ["A", "B", "C"]
    posts = [Post.open(server, FirmFactory(slug=name.lower()), name) for name in names]
    for one, minutes in zip(posts, (1, 2, None), strict=True):
        at = ago(minutes=minutes) if minutes else None
        EmailConnection.objects.filter(pk=one.connection.pk).update(last_attempt_at=at)
    told = [line for line in sync().splitlines() if line.startswith("Syncing")]
    assert [line[-1] for line in told] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_messages": 0}, "--max-messages must be a positive integer."),
        ({"max_messages": -1}, "--max-messages must be a positive integer."),
        ({"tenant": "nobody"}, "Tenant 'nobody' does not exist."),
        ({"firm_id": 999_999}, "Firm with ID 999999 does not exist."),
    ],
)
def test_refuses_options_that_cannot_be(
    post: Post, options: dict[str, object], problem: str
) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("sync_emails", stdout=io.StringIO(), **options)
    assert str(refused.value) == problem
    assert post.now().last_attempt_at is None


def test_reads_a_mailbox_with_an_access_token(server: MailHost, firm: Firm) -> None:
    post = Post.open(server, firm, "Inbox", auth=Auth.XOAUTH2)
    post.deliver(*letters(1))
    post.connection.secret = Secrets(access_token=access_token(post.user))
    post.connection.save()
    assert summary(sync())["New messages"] == "1"


def test_writes_down_when_a_mailbox_was_read(post: Post) -> None:
    with time_machine.travel("2026-11-01T10:00:00Z", tick=False):
        sync()
    assert str(post.now().last_sync_at) == "2026-11-01 10:00:00+00:00"
    with time_machine.travel("2026-11-01T10:05:00Z", tick=False):
        EmailConnection.objects.update(port=9)
        sync()
    assert str(post.now().last_sync_at) == "2026-11-01 10:00:00+00:00"


def test_means_the_same_in_python(post: Post) -> None:
    post.deliver(*letters(2))
    report = sync_emails(tenant="mycompany", max_messages=1)
    assert (report.done, report.failed) == (1, 0)
    assert str(report).splitlines()[-2:] == ["  New messages: 1", "  Errors: 0"]


def test_asks_no_more_of_the_database_for_more_letters(post: Post) -> None:
    def queries(number: int) -> int:
        post.deliver(*letters(number, start=number * 1000))
        with CaptureQueriesContext(connection) as captured:
            sync()
        return len(captured)

    queries(3)
    assert queries(20) <= queries(2)
