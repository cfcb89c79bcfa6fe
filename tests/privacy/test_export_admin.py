"""Data exports in the admin: who may make one of whom, and download it once."""

import os
import stat
import threading
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import time_machine
from django.db import connections
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.firms.models import Firm, Role, User
from apps.firms.rights import staff_group
from apps.privacy.models import DataExport
from apps.privacy.services import remove_file, take_file
from tests.factories import (
    ContactFactory,
    DataExportFactory,
    FirmFactory,
    MembershipFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/privacy/dataexport/"
ADD = f"{LIST}add/"
NOW = datetime(2025, 1, 15, 2, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    """Where files wait to be downloaded; nobody has made it yet."""
    settings.EXPORTS_DIR = str(tmp_path / "var" / "exports")
    return Path(settings.EXPORTS_DIR)


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="alder")


@pytest.fixture
def ada(firm: Firm) -> Contact:
    """A customer with an account, known to another firm as well."""
    user = UserFactory(username="ada")
    ContactFactory(firm=FirmFactory(slug="birch"), user=user, display_name="Ada at Birch")
    contact: Contact = ContactFactory(firm=firm, user=user, display_name="Ada at Alder")
    return contact


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def member(firm: Firm, role: Role) -> Client:
    user = MembershipFactory(firm=firm, roles=[role]).user
    user.groups.add(staff_group())
    return browser(user)


@pytest.fixture
def owner(firm: Firm) -> Client:
    return member(firm, Role.OWNER)


@pytest.fixture
def office() -> Client:
    return browser(UserFactory(username="office", is_staff=True, is_superuser=True))


def typed(**fields: Any) -> dict[str, Any]:
    return {"law": "gdpr", "received_on": "2025-01-31", **fields}


def download(client: Client, *exports: DataExport) -> Any:
    keys = [one.pk for one in exports]
    return client.post(LIST, {"action": "download", "_selected_action": keys}, follow=True)


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def files(answer: Any) -> set[str]:
    with ZipFile(BytesIO(b"".join(answer.streaming_content))) as archive:
        return set(archive.namelist())


# ---- superusers -------------------------------------------------------------------------


def test_a_superuser_exports_what_all_firms_hold(
    office: Client, ada: Contact, folder: Path
) -> None:
    with time_machine.travel(NOW, tick=False):
        answer = office.post(ADD, typed(user=ada.user_id), follow=True)
    assert said(answer) == ["The file about ada is ready: select it to download it, once."]
    made = DataExport.objects.get()
    assert (made.user, made.firm, made.made_by) == (
        ada.user,
        None,
        User.objects.get(pk=who(office)),
    )
    assert (made.received_on, made.due_on) == (date(2025, 1, 31), date(2025, 2, 28))
    path = folder / f"user_{ada.user_id}_export_20250115T023000Z.zip"
    assert (made.path, made.size_bytes) == (str(path), path.stat().st_size)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_label) == ("data_exported", "office")


def who(client: Client) -> int:
    return int(client.session["_auth_user_id"])


@pytest.mark.parametrize(
    ("law", "extended", "due"),
    [
        ("gdpr", "", date(2025, 2, 28)),
        ("gdpr", "on", date(2025, 4, 30)),
        ("ccpa", "", date(2025, 3, 17)),
        ("ccpa", "on", date(2025, 5, 1)),
    ],
)
def test_the_deadline_is_that_of_the_law(
    office: Client, ada: Contact, law: str, extended: str, due: date
) -> None:
    office.post(ADD, typed(user=ada.user_id, law=law, extended=extended))
    assert DataExport.objects.get().due_on == due


def test_a_superuser_exports_what_one_firm_holds(
    office: Client, ada: Contact, firm: Firm
) -> None:
    office.post(ADD, typed(user=ada.user_id, firm=firm.pk))
    made = DataExport.objects.get()
    assert made.firm == firm
    assert {path.partition("/")[0] for path in files(download(office, made))} == {
        "manifest.json",
        "alder",
    }


def test_whoever_was_erased_cannot_be_exported(office: Client, ada: Contact) -> None:
    User.objects.filter(pk=ada.user_id).update(erased_at=NOW)
    answer = office.post(ADD, typed(user=ada.user_id))
    assert "user" in answer.context["form"].errors
    assert not DataExport.objects.exists()


def test_a_file_that_cannot_be_written_is_told_on_the_page(
    office: Client, ada: Contact, folder: Path
) -> None:
    with time_machine.travel(NOW, tick=False):
        office.post(ADD, typed(user=ada.user_id))
        answer = office.post(ADD, typed(user=ada.user_id))
    assert answer.context["form"].non_field_errors() == [
        "The export could not be written: File exists."
    ]
    assert DataExport.objects.count() == len(list(folder.iterdir())) == 1


# ---- owners -------------------------------------------------------------------------------


def test_an_owner_exports_what_their_firm_holds_about_a_customer(
    owner: Client, ada: Contact, firm: Firm
) -> None:
    assert owner.get(ADD).status_code == 200
    owner.post(ADD, typed(contact=ada.pk))
    made = DataExport.objects.get()
    assert (made.user, made.firm) == (ada.user, firm)
    answer = download(owner, made)
    assert files(answer) == {"manifest.json", "alder/contact-records.json"}
    actions = AuditEvent.objects.order_by("pk").values_list("action", "firm")
    assert list(actions) == [
        ("data_exported", firm.pk), ("data_export_downloaded", firm.pk)
    ]  # fmt: skip


def test_an_owner_names_neither_a_user_nor_a_firm(
    owner: Client, ada: Contact, firm: Firm
) -> None:
    theirs = ada.user.contacts.exclude(firm=firm).get()
    for fields in ({"user": ada.user_id}, {"contact": theirs.pk}):
        answer = owner.post(ADD, typed(**fields))
        assert list(answer.context["form"].errors) == ["contact"]
    owner.post(ADD, typed(contact=ada.pk, user=UserFactory().pk, firm=theirs.firm_id))
    made = DataExport.objects.get()
    assert (made.user, made.firm) == (ada.user, firm)


def test_an_owner_hears_that_a_contact_has_no_account(owner: Client, firm: Firm) -> None:
    answer = owner.post(ADD, typed(contact=ContactFactory(firm=firm).pk))
    assert answer.context["form"].errors["contact"] == [
        "This contact has no account to sign in with."
    ]


def test_an_owner_completes_the_names_of_their_contacts_only(
    owner: Client, ada: Contact
) -> None:
    asked = {"app_label": "privacy", "model_name": "erasurerequest", "field_name": "contact"}
    answer = owner.get(reverse("admin:autocomplete"), {**asked, "term": "Ada"})
    assert [one["text"] for one in answer.json()["results"]] == ["Ada at Alder"]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.STAFF, Role.CLIENT])
def test_nobody_else_makes_or_downloads_one(firm: Firm, ada: Contact, role: Role) -> None:
    client = member(firm, role)
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, typed(contact=ada.pk)).status_code == 403
    made = DataExportFactory(firm=firm, user=ada.user)
    assert [row.pk for row in client.get(LIST).context["cl"].result_list] == [made.pk]
    assert download(client, made).status_code == 200  # the list again, and no file
    made.refresh_from_db()
    assert made.removed_at is None


def test_an_owner_sees_and_downloads_nothing_of_other_firms(
    owner: Client, office: Client, ada: Contact, firm: Firm
) -> None:
    office.post(ADD, typed(user=ada.user_id))
    [everywhere] = DataExport.objects.all()
    elsewhere = DataExportFactory(firm=FirmFactory())
    MembershipFactory(firm=elsewhere.firm, user_id=who(owner), roles=[Role.STAFF])
    shown = owner.get(LIST).context["cl"].result_list
    assert [row.pk for row in shown] == [elsewhere.pk]  # as staff there; not its owner
    for export in (everywhere, elsewhere):
        assert said(download(owner, export)) in (["Select one export."], [])
        export.refresh_from_db()
        assert export.removed_at is None


# ---- once ---------------------------------------------------------------------------------


@pytest.fixture
def made(office: Client, ada: Contact) -> DataExport:
    office.post(ADD, typed(user=ada.user_id), follow=True)
    return DataExport.objects.get()


def test_a_file_is_handed_out_once_and_gone(
    office: Client, made: DataExport, folder: Path
) -> None:
    answer = download(office, made)
    name = Path(made.path).name
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert "no-store" in answer["Cache-Control"]
    assert "account/profile.json" in files(answer)
    assert list(folder.iterdir()) == []
    made.refresh_from_db()
    assert made.removed_at is not None
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.object_id) == ("data_export_downloaded", str(made.pk))
    assert said(download(office, made)) == ["This file is there no more."]


def test_a_file_that_was_downloaded_before_is_not_handed_out_again(
    office: Client, made: DataExport
) -> None:
    DataExport.objects.update(removed_at=NOW)
    assert said(download(office, made)) == ["This file was downloaded before."]


def test_a_file_that_a_command_wrote_elsewhere_is_not_handed_out(
    office: Client, ada: Contact, tmp_path: Path, folder: Path
) -> None:
    secret = tmp_path / "secret.zip"
    secret.write_text("not yours")
    folder.mkdir(parents=True)
    (folder / "link.zip").symlink_to(secret)
    for path in (secret, folder / "link.zip", folder / ".." / ".." / "secret.zip"):
        export = DataExportFactory(user=ada.user, path=str(path))
        refused = "This file was written elsewhere; it cannot be downloaded."
        assert said(download(office, export)) == [refused]
    assert secret.exists()


def test_files_are_downloaded_one_at_a_time(office: Client, made: DataExport) -> None:
    assert said(download(office, made, DataExportFactory())) == ["Select one export."]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_come_at_once_one_gets_the_file(office: Client, made: DataExport) -> None:
    barrier, got = threading.Barrier(2), list[int]()
    actor = User.objects.get(pk=who(office))

    def take() -> None:
        try:
            barrier.wait()
            with take_file(export=made, actor=actor, now=NOW) as file:
                got.append(len(file.read()))
        except Problem:
            got.append(0)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [0, made.size_bytes]
    assert AuditEvent.objects.filter(action="data_export_downloaded").count() == 1


def test_an_erasure_removes_a_file_wherever_it_is(
    made: DataExport, ada: Contact, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.zip"
    elsewhere.write_text("a copy")
    other = DataExportFactory(user=ada.user, path=str(elsewhere))
    for _ in range(2):
        for export in (made, other):
            remove_file(str(export.pk))
    assert not elsewhere.exists()
    assert not os.path.exists(made.path)


# ---- the list -----------------------------------------------------------------------------


def test_nobody_changes_or_deletes_an_export(office: Client, made: DataExport) -> None:
    where = f"{LIST}{made.pk}/"
    assert office.post(f"{where}change/", {"records": 0}).status_code == 403
    assert office.post(f"{where}delete/", {"post": "yes"}).status_code == 403


def test_the_list_says_whether_the_file_is_still_there(
    office: Client, made: DataExport
) -> None:
    DataExportFactory(removed_at=NOW)
    page = office.get(LIST).content.decode()
    assert '<td class="field-file">there</td>' in page
    assert "gone since Jan. 15, 2025" in page
