"""export_user_data: what is held about somebody, as a file of their own (spec D7)."""

import stat
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEvent
from apps.firms.models import Firm, User
from apps.jobs.models import JobRun
from apps.privacy.models import DataExport
from apps.privacy.services import export_user_data
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    FirmFactory,
    InvoiceFactory,
    LeaseFactory,
    MembershipFactory,
    NotificationFactory,
    PaymentFactory,
    UserFactory,
)
from tests.privacy.exporting import Export, export, exported

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

NAME = "user_{}_export_20250115T023000Z.zip"


@pytest.fixture
def clock() -> Any:
    with time_machine.travel("2025-01-15T02:30:00.000250Z", tick=False):
        yield


@pytest.fixture
def ada() -> User:
    """A client of two firms who works at neither; her neighbour owes more than she does."""
    user: User = UserFactory(username="ada", email="ada@example.com", first_name="Ada")
    for slug, currency, minor in (("acme", "USD", 150_000), ("tokyo", "JPY", 5_000)):
        firm = FirmFactory(slug=slug, name=slug.title())
        contact = ContactFactory(firm=firm, user=user, display_name=f"Ada at {slug}")
        account = BillingAccountFactory(contact=contact, currency=currency)
        InvoiceFactory(account=account, total_minor=minor, number=f"{slug}-1")
        neighbour = BillingAccountFactory(contact=ContactFactory(firm=firm))
        InvoiceFactory(account=neighbour, number=f"{slug}-2")
    return user


def firm_of(slug: str) -> Firm:
    return Firm.objects.get(slug=slug)


# ---- what it says and does --------------------------------------------------------------


def test_says_what_it_has_written(ada: User, tmp_path: Path) -> None:
    assert export(ada, tmp_path) == (
        f"Exporting data for user {ada.pk}...\n"
        "  ✓ profile: 1 record\n"
        "  ✓ contact records: 2 records\n"
        "  ✓ billing accounts: 2 records\n"
        "  ✓ invoices: 4 records\n"
        f"Export written to {tmp_path}/{NAME.format(ada.pk)} (4 categories, 9 records).\n"
    )


def test_only_says_the_end_when_asked_to_be_quiet(ada: User, tmp_path: Path) -> None:
    said = export(ada, tmp_path, verbosity=0)
    assert said == (
        f"Export written to {tmp_path}/{NAME.format(ada.pk)} (4 categories, 9 records).\n"
    )


def test_writes_a_file_that_only_its_owner_reads(ada: User, tmp_path: Path) -> None:
    export(ada, tmp_path)
    [path] = tmp_path.iterdir()
    assert path.name == NAME.format(ada.pk)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_makes_a_folder_for_each_firm_and_one_for_the_account(
    ada: User, tmp_path: Path
) -> None:
    copy = exported(ada, tmp_path)
    files = ("contact-records.json", "billing-accounts.json", "invoices.json")
    assert set(copy.files) == {
        "manifest.json",
        "account/profile.json",
        *(f"acme/{name}" for name in files),
        *(f"tokyo/{name}" for name in files),
    }
    assert copy.records("account/profile.json") == [
        {
            "record": "user",
            "username": "ada",
            "first_name": "Ada",
            "last_name": "",
            "email": "ada@example.com",
            "timezone": "",
            "date_joined": "2025-01-15T02:30:00.000250Z",
            "last_login": None,
        }
    ]
    assert [one["display_name"] for one in copy.records("tokyo/contact-records.json")] == [
        "Ada at tokyo"
    ]


def test_writes_amounts_as_texts_beside_their_currency(ada: User, tmp_path: Path) -> None:
    copy = exported(ada, tmp_path)
    dollars, line = copy.records("acme/invoices.json")
    assert dollars["total"] == {"amount": "1500.00", "currency": "USD"}
    assert dollars["balance"] == {"amount": "1500.00", "currency": "USD"}
    assert line["record"] == "invoice line"
    assert line["unit"] == {"amount": "1500.00", "currency": "USD"}
    assert line["quantity"] == "1.000"
    yen, _ = copy.records("tokyo/invoices.json")
    assert yen["total"] == {"amount": "5000", "currency": "JPY"}


@pytest.mark.parametrize(
    ("minor", "code", "amount"),
    [(1, "KWD", "0.001"), (-5, "USD", "-0.05"), (10**17, "USD", f"{10**15}.00")],
)
def test_writes_every_amount_exactly(
    ada: User, tmp_path: Path, minor: int, code: str, amount: str
) -> None:
    lease = LeaseFactory(
        unit__property__firm=firm_of("acme"), unit__property__currency=code, currency=code
    )
    lease.account.contact.user = None
    lease.account.contact.save()
    lease.parties.update(contact=ada.contacts.get(firm=firm_of("acme")))
    lease.charges.create(firm=lease.firm, amount_minor=minor, starts_on=date(2025, 1, 1))
    [charge] = [
        one
        for one in exported(ada, tmp_path).records("acme/leases.json")
        if one["record"] == "lease charge"
    ]
    assert charge["amount"] == {"amount": amount, "currency": code}


def test_writes_instants_in_utc_and_dates_as_dates(ada: User, tmp_path: Path) -> None:
    account = ada.contacts.get(firm=firm_of("acme")).billing_accounts.get()
    PaymentFactory(
        account=account,
        effective_on=date(2025, 1, 2),
        initiated_at=datetime.fromisoformat("2025-01-01T23:00:00.5-05:00"),
    )
    [payment] = exported(ada, tmp_path).records("acme/payments.json")
    assert payment["effective_on"] == "2025-01-02"
    assert payment["initiated_at"] == "2025-01-02T04:00:00.500000Z"
    assert payment["settled_at"] is None


def test_includes_what_only_a_verified_address_in_the_same_firm_shows(
    ada: User, tmp_path: Path
) -> None:
    firm = FirmFactory(slug="works-there")
    MembershipFactory(firm=firm, user=ada)
    shown = datetime(2025, 1, 1, tzinfo=UTC)
    ContactFactory(firm=firm, email=ada.email, email_verified_at=shown, display_name="Shown")
    ContactFactory(firm=firm, email=ada.email, display_name="Only typed")
    ContactFactory(email=ada.email, email_verified_at=shown, display_name="Elsewhere")
    copy = exported(ada, tmp_path)
    assert "Shown" in copy.text
    assert "Only typed" not in copy.text
    assert "Elsewhere" not in copy.text


def test_includes_what_a_firm_holds_that_they_have_left(ada: User, tmp_path: Path) -> None:
    gone = FirmFactory(slug="gone", status=Firm.Status.CLOSED)
    NotificationFactory(
        firm=gone, recipient_contact=None, recipient_user=ada, recipient_key=f"user:{ada.pk}"
    )
    assert len(exported(ada, tmp_path).records("gone/notifications.json")) == 1


# ---- the manifest -----------------------------------------------------------------------


def test_the_manifest_says_what_is_there(ada: User, tmp_path: Path) -> None:
    copy = exported(ada, tmp_path)
    manifest = copy.manifest
    assert (manifest["schema"], manifest["schema_version"]) == ("nightshift-data-export", 1)
    assert manifest["generated_at"] == "2025-01-15T02:30:00.000250Z"
    contacts = sorted(ada.contacts.values_list("pk", flat=True))
    assert manifest["subject"] == {"user": ada.pk, "contacts": contacts}
    assert manifest["folders"] == [
        {"folder": "account", "firm": None},
        {"folder": "acme", "firm": "Acme"},
        {"folder": "tokyo", "firm": "Tokyo"},
    ]
    invoices = copy.category("invoices")
    assert (invoices["basis"], invoices["records"]) == ("derived", 4)
    assert [(one["path"], one["records"]) for one in invoices["files"]] == [
        ("acme/invoices.json", 2),
        ("tokyo/invoices.json", 2),
    ]
    assert copy.as_listed() == copy.as_found()
    assert copy.category("leases") == {
        "category": "leases", "basis": "provided", "records": 0, "files": [],
    }  # fmt: skip
    assert manifest["warnings"] == []


def test_the_manifest_says_what_was_left_out_and_why(ada: User, tmp_path: Path) -> None:
    excluded = {one["what"]: one["why"] for one in exported(ada, tmp_path).manifest["excluded"]}
    assert excluded["user: password"].startswith("A secret")
    assert excluded["user session: session key"].startswith("A secret")
    assert excluded["audit event: changes, reason"].startswith("May speak of other people")
    assert excluded["what is kept because of a legal dispute"] == "Legally privileged."
    assert "names and addresses of others in texts" in excluded


# ---- one firm ---------------------------------------------------------------------------


def test_one_firm_gives_what_it_holds_and_nothing_else(ada: User, tmp_path: Path) -> None:
    copy = exported(ada, tmp_path, firm_id=firm_of("acme").pk)
    assert {path.partition("/")[0] for path in copy.files} == {"manifest.json", "acme"}
    assert "tokyo" not in copy.text.lower()
    contact = ada.contacts.get(firm=firm_of("acme"))
    assert copy.manifest["subject"] == {"user": ada.pk, "contacts": [contact.pk]}
    assert copy.manifest["scope"] == "Acme"


def test_a_firm_that_does_not_know_them_gives_an_empty_copy(ada: User, tmp_path: Path) -> None:
    said = export(ada, tmp_path, firm_id=FirmFactory().pk)
    assert said.endswith("(0 categories, 0 records).\n")
    [path] = tmp_path.iterdir()
    assert set(Export(path).files) == {"manifest.json"}


# ---- on the record ----------------------------------------------------------------------


def test_writes_down_who_got_what(ada: User, tmp_path: Path) -> None:
    copy = exported(ada, tmp_path)
    made = DataExport.objects.get()
    assert (made.user, made.firm, made.made_by) == (ada, None, None)
    assert made.made_at == datetime(2025, 1, 15, 2, 30, 0, 250, tzinfo=UTC)
    assert (made.path, made.size_bytes) == (str(copy.path), copy.path.stat().st_size)
    assert made.sha256 == sha256(copy.path)
    assert (made.categories, made.records) == (4, 9)
    assert (made.law, made.received_on, made.due_on) == (
        "gdpr", date(2025, 1, 15), date(2025, 2, 15)
    )  # fmt: skip
    event = AuditEvent.objects.get()
    assert (event.action, event.object_id, event.actor_label) == (
        "data_exported", str(made.pk), "system"
    )  # fmt: skip
    assert event.changes == {"user": ada.pk, "records": 9, "sha256": made.sha256}


def sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_counts_the_days_where_the_firm_is(ada: User, tmp_path: Path) -> None:
    export(ada, tmp_path, firm_id=firm_of("acme").pk)  # New York: still the 14th
    made = DataExport.objects.get()
    assert (made.received_on, made.due_on) == (date(2025, 1, 14), date(2025, 2, 14))
    assert AuditEvent.objects.get().firm == firm_of("acme")


def test_leaves_a_run_without_personal_data(ada: User, tmp_path: Path) -> None:
    export(ada, tmp_path)
    run = JobRun.objects.get()
    assert (run.job, run.state, run.done) == ("export_user_data", "done", 1)
    assert run.arguments == {"user_id": ada.pk, "output_dir": str(tmp_path)}
    item = run.items.get()
    assert (item.subject_label, item.action) == (f"User {ada.pk}", "export the data")
    said = f"{run.summary} {run.problem} {item.detail}"
    assert not any(word in said for word in ("ada", "Ada", "example.com"))


def test_makes_another_copy_each_time(ada: User, tmp_path: Path) -> None:
    export(ada, tmp_path)
    with time_machine.travel("2025-01-15T02:30:01Z", tick=False):
        export(ada, tmp_path)
    assert len(list(tmp_path.iterdir())) == DataExport.objects.count() == 2


def test_a_dry_run_says_the_same_and_leaves_nothing(ada: User, tmp_path: Path) -> None:
    said = export(ada, tmp_path, dry_run=True)
    assert "  ✓ invoices: 4 records\n" in said
    assert said.endswith(
        f"Export would be written to {tmp_path}/{NAME.format(ada.pk)} "
        "(4 categories, 9 records).\n"
    )
    assert list(tmp_path.iterdir()) == []
    assert not DataExport.objects.exists()
    assert not AuditEvent.objects.exists()


# ---- what it refuses --------------------------------------------------------------------


def refused(**options: Any) -> str:
    with pytest.raises(CommandError) as error:
        call_command("export_user_data", **options)
    return str(error.value)


def test_wants_to_know_whose_data(tmp_path: Path) -> None:
    said = refused(output_dir=str(tmp_path))
    assert said == "Say whose data: --user-id is required."


def test_knows_nobody_of_that_number(tmp_path: Path) -> None:
    said = refused(user_id=999, output_dir=str(tmp_path))
    assert said == "User with ID 999 does not exist."
    assert list(tmp_path.iterdir()) == []


def test_has_nothing_of_somebody_who_was_erased(ada: User, tmp_path: Path) -> None:
    User.objects.update(erased_at=datetime(2025, 1, 1, tzinfo=UTC))
    said = refused(user_id=ada.pk, output_dir=str(tmp_path))
    assert said == f"User {ada.pk} has been erased."
    assert list(tmp_path.iterdir()) == []


def test_knows_no_firm_of_that_number(ada: User, tmp_path: Path) -> None:
    said = refused(user_id=ada.pk, firm_id=999, output_dir=str(tmp_path))
    assert said == "Firm with ID 999 does not exist."


def test_wants_a_folder_that_is_there(ada: User, tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    said = refused(user_id=ada.pk, output_dir=str(folder))
    assert said == f"Output directory '{folder}' does not exist."
    folder.write_text("a file")
    said = refused(user_id=ada.pk, output_dir=str(folder))
    assert said == f"Output directory '{folder}' does not exist."


def test_takes_the_current_folder_without_any(
    ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = export_user_data(user_id=ada.pk)
    assert [path.name for path in tmp_path.iterdir()] == [NAME.format(ada.pk)]
    assert str(report).startswith(f"Export written to {tmp_path}/{NAME.format(ada.pk)} (")
