"""When a mailbox cannot be read, sync_emails …"""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.core.fields import Secrets
from apps.core.problems import Problem
from apps.firms.models import Firm, Role, User
from apps.mailbox.models import EmailConnection
from apps.mailbox.services import save_connection, try_again
from apps.mailbox.services.connections import backoff
from apps.notifications.models import Notification
from tests.factories import EmailConnectionFactory, MembershipFactory
from tests.mailbox.post import Post, letters, summary, sync
from tests.servers.absurd import FLOOD, HANG_UP, OK, SILENCE, absurd, choking
from tests.servers.imap import MailHost

pytestmark = [pytest.mark.django_db]

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "minutes"),
    [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 320), (8, 360), (900, 360)],
)
def test_leaves_it_alone_longer_each_time(failures: int, minutes: int) -> None:
    assert backoff(failures) == timedelta(minutes=minutes)


def test_comes_back_when_the_time_is_over(firm: Firm) -> None:
    connection = EmailConnectionFactory(firm=firm, port=9)
    tried = []
    with time_machine.travel(NOON, tick=False) as clock:
        for minute in range(0, 80, 5):
            clock.move_to(NOON + timedelta(minutes=minute))
            if summary(sync())["Errors"] == "1":
                tried.append(minute)
    assert tried == [0, 5, 15, 35, 75]
    connection.refresh_from_db()
    assert (connection.status, connection.consecutive_failures) == ("unreachable", 5)
    assert connection.backoff_until == NOON + timedelta(minutes=75 + 80)
    assert connection.problem == "the server could not be reached"
    assert connection.last_sync_at is None
    assert not Notification.objects.exists()


@pytest.mark.dovecot
def test_forgets_the_trouble_when_it_is_over(post: Post) -> None:
    post.deliver(*letters(1))
    EmailConnection.objects.update(port=9)
    sync()
    EmailConnection.objects.update(port=post.server.port)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        assert summary(sync())["New messages"] == "1"
    connection = post.now()
    assert (connection.status, connection.problem) == ("ok", "")
    assert (connection.consecutive_failures, connection.backoff_until) == (0, None)


@pytest.mark.parametrize(
    "answers",
    [
        {"GREETING": [SILENCE]},
        {"GREETING": [b"HTTP/1.1 400 Bad Request\r\n"]},
        {"LOGIN": [HANG_UP]},
        {"EXAMINE": [OK]},
        {"SEARCH": [b"* SEARCH 1 x\r\n", FLOOD]},
        {"FETCH": [b"* 1 FETCH (UID 1 BODY[] {999}\r\nhalf", HANG_UP]},
        {"FETCH": [b"* 1 FETCH nonsense\r\n", OK]},
    ],
)
def test_takes_no_harm_from_a_server_gone_mad(
    firm: Firm, settings: Settings, answers: dict[str, list[object]]
) -> None:
    settings.IMAP_TIMEOUT = 0.4
    with absurd(**answers) as port:
        connection = EmailConnectionFactory(firm=firm, port=port)
        assert summary(sync())["Errors"] == "1"
    connection.refresh_from_db()
    assert (connection.status, connection.consecutive_failures) == ("unreachable", 1)
    assert connection.lease is None


@pytest.mark.dovecot
@pytest.mark.parametrize("largest", [1_000_000, 10], ids=["letter", "header"])
def test_gives_a_letter_up_at_which_the_server_always_breaks_off(
    post: Post, settings: Settings, largest: int
) -> None:
    settings.MAIL_LARGEST = largest
    post.deliver(*letters(5))
    stored = []
    with choking(post.server.port, on=b"Letter 3") as port:
        for _ in range(7):
            EmailConnection.objects.update(port=port, backoff_until=None)
            out = sync()
            stored.append(len(post.messages()))
    assert stored == [2, 2, 2, 2, 2, 5, 5]
    assert summary(out)["Errors"] == "0"
    third = post.messages()[2]
    assert (third.uid, third.state) == (3, "unparseable")
    assert third.problem == "the server does not hand it out"
    assert post.cursor() == 5


# ---- wrong credentials -----------------------------------------------------------------------


@pytest.fixture
def shut(server: MailHost, firm: Firm) -> Post:
    """A mailbox whose password somebody has changed."""
    MembershipFactory(firm=firm, user__username="adam", roles=[Role.ADMIN])
    post = Post.open(server, firm, "Sales Inbox", secret=Secrets(password="the old one"))
    post.deliver(*letters(1))
    return post


@pytest.mark.dovecot
def test_tries_wrong_credentials_once(shut: Post) -> None:
    assert summary(sync())["Errors"] == "1"
    with time_machine.travel(datetime.now(UTC) + timedelta(days=3)):
        out = sync(verbosity=2)
    assert summary(out) == {
        "Tenants processed": "0",
        "Connections synced": "0",
        "New messages": "0",
        "Errors": "0",
    }
    assert (shut.now().status, shut.now().backoff_until) == ("auth_failed", None)


@pytest.mark.dovecot
def test_tells_owners_and_admins_once(shut: Post) -> None:
    sync()
    EmailConnection.objects.update(status="ok")  # as if two runs had met it at once
    sync()
    told = Notification.objects.filter(type="mailbox_shut")
    names = told.values_list("recipient_user__username", flat=True)
    assert sorted(filter(None, names)) == ["adam", "olga"]


@pytest.mark.dovecot
def test_tries_again_after_the_credentials_have_changed(shut: Post) -> None:
    sync()
    owner = User.objects.get(username="olga")
    save_connection(connection=shut.now(), secrets={"password": "wrong"}, actor=owner)
    assert shut.now().status == "ok"
    assert summary(sync())["Errors"] == "1"
    assert Notification.objects.filter(type="mailbox_shut").count() == 4  # once more each
    right = {"password": "a-mail-password"}
    save_connection(connection=shut.now(), secrets=right, actor=owner)
    assert summary(sync())["New messages"] == "1"
    connection = shut.now()
    assert (connection.status, connection.revision) == ("ok", 3)
    events = AuditEvent.objects.filter(action="mailbox_saved")
    assert [one.changes for one in events.order_by("pk")] == [
        {"replaced": ["password"], "revision": 2},
        {"replaced": ["password"], "revision": 3},
    ]


def test_judges_new_credentials_by_what_becomes_of_them(firm: Firm) -> None:
    from apps.integrations.mailboxes import AuthenticationFailed
    from apps.mailbox.services.connections import note_failure

    connection = EmailConnectionFactory(firm=firm)
    in_a_run = EmailConnection.objects.get(pk=connection.pk)
    save_connection(connection=connection, secrets={"password": "new"}, actor=None)

    note_failure(connection=in_a_run, error=AuthenticationFailed("no"), now=NOON)

    connection.refresh_from_db()
    assert connection.status == "ok"
    assert not Notification.objects.exists()


@pytest.mark.dovecot
def test_does_not_try_without_credentials(server: MailHost, firm: Firm) -> None:
    Post.open(server, firm, "Empty", secret=Secrets())
    assert "  ✗ Empty: there are no credentials\n" in sync()


def test_waits_no_longer_when_a_person_says_so(firm: Firm) -> None:
    connection = EmailConnectionFactory(firm=firm)
    sync()
    connection.refresh_from_db()
    assert connection.backoff_until is not None
    try_again(connection=connection, actor=None)
    assert summary(sync())["Errors"] == "1"
    connection.refresh_from_db()
    assert connection.consecutive_failures == 2


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ("auth_failed", "Inbox needs new credentials."),
        ("ok", "Inbox is not waiting for anything."),
    ],
)
def test_cannot_be_told_to_try_what_it_must_not_or_need_not(
    firm: Firm, status: str, problem: str
) -> None:
    connection = EmailConnectionFactory(firm=firm, name="Inbox", status=status)
    with pytest.raises(Problem) as refused:
        try_again(connection=connection, actor=None)
    assert str(refused.value) == problem
