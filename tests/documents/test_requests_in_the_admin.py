"""Staff who ask for files …"""

from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.documents.models import FileRequest, FileRequestItem, ReceivedFile
from apps.documents.services import accept_file, receive_file, refuse_file
from apps.firms.models import User
from apps.notifications.models import Notification
from tests.admin.world import staff_of
from tests.documents.filing import PDF, sent
from tests.documents.requesting import after, ask, noon
from tests.factories import ContactFactory, FirmFactory

pytestmark = pytest.mark.django_db

NOW = noon(after(0))
LIST = "/admin/documents/filerequest/"
FILES = "/admin/documents/receivedfile/"


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def ada(db: None) -> Contact:
    made: Contact = ContactFactory(firm=FirmFactory(), display_name="Ada Lovelace")
    return made


@pytest.fixture
def clerk(ada: Contact) -> User:
    return staff_of(ada.firm)


@pytest.fixture
def desk(client: Client, clerk: User) -> Client:
    client.force_login(clerk)
    return client


@pytest.fixture
def file(ada: Contact, clerk: User, folder: Path) -> ReceivedFile:
    """A file that Ada sent."""
    item = ask(ada, requested_by=clerk).items.get()
    return receive_file(item=item, upload=sent(name="May.pdf"), now=NOW)


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def press(desk: Client, where: str, action: str, row: Any, **more: str) -> Any:
    """Choose an action for one row of a list."""
    told = {"action": action, "_selected_action": [row.pk], **more}
    return desk.post(where, told, follow=True)


def test_ask_with_one_form(desk: Client, ada: Contact, clerk: User) -> None:
    form = {
        "contact": ada.pk,
        "title": "Tax return",
        "wanted": "Statements\r\n\r\n  Receipts \r\nStatements",
        "note": "All pages",
        "due_date": "2025-06-10",
    }
    assert desk.post(f"{LIST}add/", form).status_code == 302
    request = FileRequest.objects.get()
    assert (request.firm, request.contact, request.requested_by, request.next_reminder_on) == (
        ada.firm, ada, clerk, after(6)
    )  # fmt: skip
    assert [str(item) for item in request.items.order_by("pk")] == ["Statements", "Receipts"]
    assert AuditEvent.objects.get(action="files_requested").actor == clerk
    assert Notification.objects.get().type == "files_requested"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"due_date": "2025-05-31"}, "The due date has passed."),
        ({"wanted": " \r\n "}, "This field is required."),
        ({"wanted": "x" * 151}, "At most 30 items of at most 150 letters."),
    ],
)
def test_are_told_what_is_wrong(
    desk: Client, ada: Contact, change: dict[str, str], says: str
) -> None:
    form = {"contact": ada.pk, "title": "Tax", "wanted": "Statements", **change}
    response = desk.post(f"{LIST}add/", form, follow=True)
    assert says in response.content.decode()
    assert not FileRequest.objects.exists()


def test_are_told_that_somebody_cannot_be_written_to(desk: Client, ada: Contact) -> None:
    Contact.objects.update(email="")
    form = {"contact": ada.pk, "title": "Tax", "wanted": "Statements"}
    response = desk.post(f"{LIST}add/", form, follow=True)
    assert said(response)[0] == (
        "Ada Lovelace has no e-mail address, so nobody was told of it."
    )


def test_cannot_ask_somebody_elses_contact(desk: Client, ada: Contact) -> None:
    stranger = ContactFactory(firm=FirmFactory())
    form = {"contact": stranger.pk, "title": "Tax", "wanted": "Statements"}
    assert desk.post(f"{LIST}add/", form).status_code == 200
    assert not FileRequest.objects.exists()


def test_remind_and_cancel(desk: Client, ada: Contact, clock: Any) -> None:
    request = ask(ada)
    clock.move_to(noon(after(1)))
    assert said(press(desk, LIST, "remind_now", request)) == ["1 request reminded of."]
    assert said(press(desk, LIST, "remind_now", request)) == [
        "0 requests reminded of, 1 skipped: Ada Lovelace was reminded today already."
    ]
    answer = press(desk, LIST, "cancel", request, reason="Found it", confirmed="yes")
    assert said(answer) == ["1 request cancelled."]
    request.refresh_from_db()
    assert (request.status, request.next_reminder_on) == ("cancelled", None)
    assert AuditEvent.objects.get(action="file_request_cancelled").reason == "Found it"


def test_see_what_came_and_accept_it(desk: Client, file: ReceivedFile) -> None:
    assert "1, 1 to look at" in desk.get(LIST).content.decode()
    request = file.item.request
    page = desk.get(f"{LIST}{request.pk}/change/").content.decode()
    assert "May.pdf</a> (received)" in page
    assert f"{FILES}?item__request__id__exact={request.pk}" in page
    assert desk.get(f"{FILES}?item__request__id__exact={request.pk}").status_code == 200
    assert said(press(desk, FILES, "accept", file)) == ["1 file accepted."]
    assert said(press(desk, FILES, "accept", file)) == [
        "0 files accepted, 1 skipped: “May.pdf” is accepted."
    ]


def test_refuse_it_with_a_reason_that_is_sent(
    desk: Client, file: ReceivedFile, clerk: User, clock: Any
) -> None:
    assert FileRequest.objects.get().status == "fulfilled"
    clock.move_to(noon(after(5)))
    answer = press(desk, FILES, "refuse", file, reason="Page 2 is missing", confirmed="yes")
    assert said(answer) == ["1 file refused."]
    file.refresh_from_db()
    assert (file.state, file.reason, file.decided_by) == (
        "refused", "Page 2 is missing", clerk
    )  # fmt: skip
    request = FileRequest.objects.get()
    assert (request.status, request.fulfilled_at, request.next_reminder_on) == (
        "pending", None, after(7)
    )  # fmt: skip
    told = Notification.objects.get(type="file_refused")
    assert told.context == {"requests": [request.pk], "file": file.pk}
    # The very same may be sent again, and is then looked at anew.
    receive_file(item=file.item, upload=sent(), now=noon(after(6)))
    assert FileRequest.objects.get().status == "fulfilled"


def test_refuse_one_of_several_until_another_comes_or_is_accepted(
    ada: Contact, clerk: User, folder: Path
) -> None:
    item: FileRequestItem = ask(ada).items.get()
    april = receive_file(item=item, upload=sent(), now=NOW)
    may = receive_file(item=item, upload=sent(PDF + b"%"), now=NOW)
    later = noon(after(1))
    refuse_file(file=may, actor=clerk, reason="Blurred", clock=Clock(later))
    assert FileRequest.objects.get().status == "pending"
    accept_file(file=april, actor=clerk, now=noon(after(2)))
    assert FileRequest.objects.get().status == "fulfilled"


def test_need_the_right_to(client: Client, file: ReceivedFile, ada: Contact) -> None:
    client.force_login(staff_of(ada.firm, rights=False))
    assert client.get(LIST).status_code == client.get(FILES).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
