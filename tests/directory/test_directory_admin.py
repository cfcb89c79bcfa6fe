"""A firm's directory in the admin: its owners set it up, staff look, and no password shows."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.directory.models import DirectoryConnection, DirectoryIdentity
from apps.firms.models import Firm, User
from apps.firms.rights import staff_group
from tests import factories as make
from tests.admin.visiting import filled
from tests.directory.syncing import connect, sync
from tests.servers.standin import StandIn

pytestmark = pytest.mark.django_db

LIST = reverse("admin:directory_directoryconnection_changelist")
ADD = reverse("admin:directory_directoryconnection_add")
PEOPLE = reverse("admin:directory_directoryidentity_changelist")
TYPED = {
    "servers": " dc1.corp.example   dc2.corp.example:636 ",
    "bind_user": "reader@corp.example",
    "base_dn": "OU=Staff,DC=corp,DC=example",
    "bind_password": "password-marker",
}


@pytest.fixture
def firm() -> Firm:
    firm: Firm = make.FirmFactory(name="Acme")
    return firm


def visitor(firm: Firm, role: str) -> Client:
    user: User = make.MembershipFactory(firm=firm, roles=[role]).user
    user.groups.add(staff_group())
    client = Client()
    client.force_login(user)
    return client


def page_of(connection: DirectoryConnection) -> str:
    return reverse("admin:directory_directoryconnection_change", args=[connection.pk])


def press(client: Client, action: str, row: Any, *, at: str = LIST, **typed: Any) -> str:
    """Press an action; returns the sentence that comes back."""
    form = {"action": action, "_selected_action": [row.pk], **typed}
    answer = client.post(at, form, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


def test_an_owner_sets_it_up_and_never_sees_the_password_again(firm: Firm) -> None:
    owner = visitor(firm, "owner")
    assert owner.post(ADD, filled(owner, ADD) | TYPED).status_code == 302
    connection = firm.directory
    assert connection.servers == "dc1.corp.example dc2.corp.example:636"
    assert connection.credentials == {"bind_password": "password-marker"}
    assert not connection.is_enabled
    page = owner.get(page_of(connection)).content.decode()
    assert "password-marker" not in page
    # Left empty, it stays; what decides who is read makes the next run read everybody.
    connection.last_usn = 7
    connection.save()
    where = page_of(connection)
    assert owner.post(where, filled(owner, where) | {"title": "x"}).status_code == 302
    connection.refresh_from_db()
    assert (connection.credentials["bind_password"], connection.last_usn) == (
        "password-marker", 7
    )  # fmt: skip
    typed = filled(owner, where) | {"person_filter": "(department=Sales)"}
    assert owner.post(where, typed).status_code == 302
    connection.refresh_from_db()
    assert connection.last_usn is None
    changes = [event.changes for event in AuditEvent.objects.order_by("pk")]
    assert changes[0]["replaced"] == ["bind_password"]
    assert changes[-1] == {"changed": ["person_filter"], "replaced": []}
    assert "password-marker" not in str(changes)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("base_dn", "Staff", "That is no distinguished name: OU=Staff,DC=corp,DC=example"),
        ("person_filter", "(a=b))(|(c=d", "That is no LDAP filter."),
        ("authority", "none", "Paste a certificate with its first and last line."),
        ("servers", "dc1\x00.corp.example", "Null characters are not allowed."),
        ("servers", "dç1.corp.example", "Give the names of controllers, separated by spaces."),
        ("bind_password", "", "The directory needs this."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    firm: Firm, field: str, value: str, says: str
) -> None:
    owner = visitor(firm, "owner")
    answer = owner.post(ADD, filled(owner, ADD) | TYPED | {field: value})
    assert answer.context["adminform"].form.errors[field] == [says]
    assert not DirectoryConnection.objects.exists()


def test_staff_look_and_the_neighbours_see_nothing(firm: Firm) -> None:
    connection = make.DirectoryConnectionFactory(firm=firm)
    staff = visitor(firm, "admin")
    page = staff.get(page_of(connection))
    assert page.status_code == 200
    assert b"bind_password" not in page.content
    assert staff.post(page_of(connection), TYPED).status_code == 403
    assert staff.get(ADD).status_code == 403
    neighbour = visitor(make.FirmFactory(), "owner")
    assert neighbour.get(page_of(connection)).status_code == 302
    press(neighbour, "disable", connection)
    connection.refresh_from_db()
    assert connection.is_enabled


def test_an_owner_tries_it_enables_it_and_has_it_read_in_full(stand_in: StandIn) -> None:
    connection = connect(stand_in, is_enabled=False)
    owner = visitor(connection.firm, "owner")
    assert press(owner, "try_out", connection) == "1 directory can be read."
    stand_in.directory.accounts.clear()
    assert press(owner, "try_out", connection) == (
        "0 directories can be read, 1 skipped: "
        "The directory refuses: the user or the password is wrong."
    )
    assert press(owner, "enable", connection) == "1 directory enabled."
    assert press(owner, "enable", connection).endswith("is enabled already.")
    connection.refresh_from_db()
    assert connection.is_enabled
    DirectoryConnection.objects.update(last_usn=7)
    assert press(owner, "read_again", connection) == "1 directory will be read in full."
    connection.refresh_from_db()
    assert connection.last_usn is None
    assert press(owner, "disable", connection) == "1 directory disabled."


def test_a_person_is_unlinked_and_linked_anew_by_the_address(stand_in: StandIn) -> None:
    ann = stand_in.add_person("a.berg", mail="ann@corp.example")
    connection = connect(stand_in)
    sync(connection.firm)
    identity = DirectoryIdentity.objects.get(object_guid=ann)
    owner = visitor(connection.firm, "owner")
    typed = {"confirmed": "yes", "reason": "The wrong one"}
    assert press(owner, "unlink", identity, at=PEOPLE, **typed) == "1 person unlinked."
    assert not DirectoryIdentity.objects.exists()
    event = AuditEvent.objects.get(action="directory_person_unlinked")
    assert event.reason == "The wrong one"
    lines = sync(connection.firm)
    assert lines[0].endswith("[full]")
    assert lines[1] == "  ✓ Updated: a.berg (linked)"
    assert DirectoryIdentity.objects.get().user == identity.user
