"""anonymise_retained_records: what only the law kept goes when its years are over."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.billing.models import AccountCredit, Invoice, InvoiceLine, Payment
from apps.contacts.models import Contact
from apps.documents.models import Document, SignatureRequest
from apps.firms.models import Firm
from tests.documents.filing import sent, store
from tests.factories import LegalHoldFactory
from tests.privacy.erasing import NAME, NOW, a_firm, bob_of, execute, furnish, request_of
from tests.servers.s3 import S3Server, bucket_at, nobody
from tests.test_every_job import changed, every_row

pytestmark = pytest.mark.django_db

AT = datetime.fromisoformat(NOW)
LAST_DAY = "2034-12-31T17:00:00Z"
AFTER = "2035-01-01T17:00:00Z"


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def invoice() -> Invoice:
    """An invoice of Bob's, who was erased; the law has it kept until the end of 2034."""
    invoice = furnish(bob_of(a_firm()))
    Payment.objects.update(note=f"Check of {NAME}", gateway_ref="")
    execute(request_of(invoice.account.contact))
    invoice.refresh_from_db()
    return invoice


def anonymise(**options: Any) -> str:
    out = io.StringIO()
    try:
        call_command("anonymise_retained_records", stdout=out, **options)
    except CommandError as error:
        out.write(f"CommandError: {error}\n")
    return out.getvalue()


def test_nothing_goes_on_the_last_day(invoice: Invoice, clock: Any) -> None:
    clock.move_to(LAST_DAY)
    before = every_row()
    assert "Records anonymised: 0" in anonymise()
    assert changed(before, every_row()) == []


def test_on_the_day_after_it_all_goes_but_numbers_and_amounts(
    invoice: Invoice, clock: Any
) -> None:
    clock.move_to(AFTER)
    assert anonymise() == (
        f"Firm: Alder (ID: {invoice.firm_id})\n"
        "  credits: 2 anonymised\n"
        "  payments: 1 anonymised\n"
        "  invoices: 2 anonymised\n"
        "\nSummary:\n  Records anonymised: 5\n  Records held: 0\n  Errors: 0\n"
    )
    number, total = invoice.number, invoice.total_minor
    invoice.refresh_from_db()
    assert (invoice.billed_to, invoice.restricted_until) == ("", None)
    assert (invoice.number, invoice.total_minor) == (number, total)
    assert InvoiceLine.objects.get().description == "erased"
    assert Payment.objects.get().note == ""
    assert set(AccountCredit.objects.values_list("note", "restricted_until")) == {("", None)}


def test_again_does_nothing(invoice: Invoice, clock: Any) -> None:
    clock.move_to(AFTER)
    anonymise()
    before = every_row()
    assert "Records anonymised: 0" in anonymise()
    assert changed(before, every_row()) == []


def test_a_dry_run_says_the_same_and_leaves_no_trace(invoice: Invoice, clock: Any) -> None:
    clock.move_to(AFTER)
    before = every_row()
    said = anonymise(dry_run=True)
    assert "  invoices: would anonymise 2\n" in said
    assert "  Records to be anonymised: 5\n" in said
    assert changed(before, every_row()) == []


def test_what_is_held_stays_and_is_counted(invoice: Invoice, clock: Any) -> None:
    clock.move_to(AFTER)
    hold = LegalHoldFactory(
        firm=invoice.firm,
        subject_type="contacts.contact",
        subject_id=invoice.account.contact_id,
    )
    assert "Records anonymised: 0\n  Records held: 5" in anonymise()
    invoice.refresh_from_db()
    assert invoice.billed_to.startswith(NAME)
    hold.released_at = datetime(2035, 1, 1, tzinfo=UTC)
    hold.save()
    assert "Records anonymised: 5\n  Records held: 0" in anonymise()


def test_the_neighbour_is_untouched(invoice: Invoice, clock: Any) -> None:
    other = furnish(bob_of(a_firm("Birch")))
    execute(request_of(other.account.contact))
    clock.move_to(AFTER)
    before = every_row(except_of=invoice.firm)
    anonymise(firm_id=invoice.firm_id)
    assert changed(before, every_row(except_of=invoice.firm)) == []
    assert Invoice.objects.get(restricted_until=date(2034, 12, 31)) == other


def test_it_is_the_firms_own_day(invoice: Invoice, clock: Any) -> None:
    Firm.objects.update(timezone="Pacific/Honolulu")
    clock.move_to("2035-01-01T09:59:00Z")
    assert "Records anonymised: 0" in anonymise()
    clock.move_to("2035-01-01T10:00:00Z")
    assert "Records anonymised: 5" in anonymise()


@pytest.fixture
def signed(s3: S3Server, bucket: str) -> Document:
    bob: Contact = bob_of(a_firm())
    document = store(sent(), firm=bob.firm, owner=bob, title=f"Lease of {NAME}")
    SignatureRequest.objects.create(
        firm=bob.firm,
        document=document,
        signer=bob,
        status="signed",
        signed_name=NAME,
        signed_at=AT,
        token_created_at=AT,
        token_expires_at=AT,
    )
    execute(request_of(bob))
    document.refresh_from_db()
    assert document.restricted_until == date(2035, 12, 31)
    return document


def test_signed_files_go_from_the_storage(
    signed: Document, s3: S3Server, bucket: str, clock: Any
) -> None:
    clock.move_to("2036-01-01T17:00:00Z")
    said = anonymise()
    assert "  documents: 1 anonymised\n" in said
    assert "  signatures: 1 anonymised\n" in said
    signed.refresh_from_db()
    assert (signed.state, signed.title) == ("deleted", "")
    assert SignatureRequest.objects.get().signed_name == ""
    assert signed.storage_key not in dict(s3.versions(bucket))


def test_while_the_storage_is_down_the_file_waits_and_the_run_says_so(
    signed: Document, bucket: str, settings: Settings, clock: Any
) -> None:
    clock.move_to("2036-01-01T17:00:00Z")
    settings.STORAGE = bucket_at(nobody(), bucket)
    said = anonymise()
    assert f"✗ stored_document {signed.pk} of Alder: " in said
    assert "CommandError: 1 item(s) failed; see the log.\n" in said
    signed.refresh_from_db()
    assert (signed.state, signed.title) == ("purge_pending", "")
