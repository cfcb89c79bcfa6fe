"""Why: what the page shows, to whom, and in how few queries."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django_q.models import Schedule
from moneyed import Money

from apps.console.models import Grant
from apps.console.rights import Rights
from apps.console.why import answers, data, find, lines, open_thing
from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.firms.models import Firm, User
from apps.firms.rights import staff_group
from apps.jobs.models import JobPause, JobRun, JobRunItem
from apps.jobs.schedules import create_missing
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    EngagementFactory,
    FirmFactory,
    GatewayAccountFactory,
    InvoiceFactory,
    LeaseFactory,
    MembershipFactory,
    PaymentMethodFactory,
    RentPeriodFactory,
    SubscriptionFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 20, 15, 30, tzinfo=UTC)  # half past eleven in New York


@pytest.fixture(autouse=True)
def own_jobs() -> None:
    """Here it is the project's jobs that are asked."""


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=False):
        create_missing()
        yield


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(name="Alder Homes")


@pytest.fixture
def invoice(firm: Firm) -> Any:
    """An invoice whose customer has a card, and has switched autopay off."""
    contact = ContactFactory(firm=firm, display_name="Ada Alder", email="ada@alder.example")
    account = BillingAccountFactory(contact=contact, gateway_customer="cus_1")
    PaymentMethodFactory(account=account)
    GatewayAccountFactory(firm=firm)
    return InvoiceFactory(account=account, number="ALD-2025-0007", kind="manual")


@pytest.fixture
def staff(firm: Firm) -> User:
    """Somebody who works for Alder, sees its runs and no other firm's."""
    return owner_of(firm)


def owner_of(firm: Firm) -> User:
    user: User = UserFactory(is_staff=True)
    user.groups.add(staff_group())
    MembershipFactory(firm=firm, user=user, roles=["owner"])
    return user


def without_tokens(text: str) -> str:
    """A page without what is new each time it is asked for."""
    return re.sub(r'value="[A-Za-z0-9]{64}"|user\d+', "", text)


def decided(row: Any, *, job: str, outcome: str, minutes: int = 60, **told: Any) -> JobRunItem:
    """Record what a run decided about a row, so many minutes ago."""
    at = datetime.fromtimestamp(NOW.timestamp() - 60 * minutes, UTC)
    dry_run = told.pop("dry_run", False)
    run = JobRun.objects.create(
        job=job, source="schedule", state="done", started_at=at, dry_run=dry_run
    )
    told.setdefault("firm", row.firm)
    return JobRunItem.objects.create(
        run=run,
        position=1,
        subject_kind=told.pop("kind", row._meta.label_lower),
        subject_key=str(row.pk),
        subject_label=str(row),
        outcome=outcome,
        recorded_at=at,
        **told,
    )


def ask(user: User, **query: str) -> Any:
    client = Client()
    client.force_login(user)
    return client.get(reverse("console:why"), query, follow=True)


def said(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def told(thing: Any, job: str, rights: Rights | None = None) -> Any:
    found = answers(thing, rights=rights, clock=Clock.read())
    return next((one for one in found if one.job.name == job), None)


# ---- what is found ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed", ["ALD-2025-0007", "ald-2025-0007", " ald-2025 ", "invoice {pk}"]
)
def test_finds_an_invoice_by_its_number_or_id_whatever_the_case(
    invoice: Any, typed: str
) -> None:
    found = find(typed.format(pk=invoice.pk), rights=None)
    assert (invoice._meta.label_lower, str(invoice.pk)) in {
        (one.kind, one.key) for one in found
    }


@pytest.mark.parametrize("typed", ["Ada Alder", "ada al", "ADA@alder.example", "ada@"])
def test_finds_a_person_by_name_or_address(invoice: Any, typed: str) -> None:
    [found] = find(typed, rights=None)
    assert (found.kind, found.label) == ("contacts.contact", "Ada Alder")


def test_leads_from_a_person_to_their_invoices(invoice: Any) -> None:
    thing = open_thing("contacts.contact", str(invoice.account.contact.pk), rights=None)
    assert thing
    assert ("billing.invoice", "ALD-2025-0007") in {(x.kind, x.label) for x in thing.linked}


def test_asks_once_however_many_tables_there_are(
    invoice: Any, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        find("ald", rights=None)


@pytest.mark.parametrize("typed", ["", " ", "x", "%", "' OR 1=1 --", "9" * 40, "\x00zz"])
def test_finds_nothing_for_nothing(invoice: Any, typed: str) -> None:
    assert find(typed, rights=None) == []


def test_shows_an_exact_match_at_once_and_lists_several(staff: User, invoice: Any) -> None:
    InvoiceFactory(account=invoice.account, number="ALD-2025-00071")
    assert ask(staff, q="ald-2025-0007").context["thing"].row == invoice
    listed = ask(staff, q="ald-2025")
    assert [one.label for one in listed.context["found"]] == ["ALD-2025-0007", "ALD-2025-00071"]


def test_tells_equal_numbers_of_two_firms_apart(invoice: Any) -> None:
    theirs = InvoiceFactory(number=invoice.number)
    found = find(invoice.number, rights=None)
    assert {one.firm for one in found} == {"Alder Homes", theirs.firm.name}
    assert f"(billing.invoice {theirs.pk})" in "\n".join(lines(invoice.number))
    assert len(find(f"billing.invoice {theirs.pk}", rights=None)) == 1


# ---- what is said -------------------------------------------------------------------------


def test_says_why_an_invoice_was_not_charged_and_when_it_is_looked_at_again(
    staff: User, invoice: Any
) -> None:
    text = said(ask(staff, q="ALD-2025-0007"))
    assert "Autopay is switched off for it." in text
    assert "process_recurring_charges" in text
    assert "20 Mar 2025, 12:00" in text  # the next full hour, in New York


def test_tells_the_last_decision_of_each_job_with_its_reason_and_amount(invoice: Any) -> None:
    job = "process_recurring_charges"
    decided(invoice, job=job, outcome="skipped", minutes=300, detail="No valid payment method")
    decided(
        *[invoice],
        job=job,
        outcome="declined",
        detail="the card was declined",
        amount_minor=150_000,
        currency="USD",
    )
    decided(invoice, job=job, outcome="done", minutes=5, action="charge", dry_run=True)
    thing = open_thing("billing.invoice", str(invoice.pk), rights=None)
    answer = told(thing, job)
    assert (answer.last.outcome, answer.last.words) == ("declined", "the card was declined")
    assert answer.last.amount == Money("1500.00", "USD")
    assert answer.preview.is_preview
    assert answer.preview.words == "charge"


def test_leaves_out_a_preview_that_a_real_run_has_overtaken(invoice: Any) -> None:
    job = "apply_late_fees"
    decided(invoice, job=job, outcome="done", minutes=90, dry_run=True)
    decided(invoice, job=job, outcome="failed", minutes=30, detail="no rate")
    thing = open_thing("billing.invoice", str(invoice.pk), rights=None)
    answer = told(thing, job)
    assert (answer.last.outcome, answer.preview) == ("failed", None)


def test_tells_what_was_decided_about_the_month_of_its_lease_and_of_no_other() -> None:
    lease = LeaseFactory()
    period = RentPeriodFactory(lease=lease, period_start="2025-03-01", period_end="2025-04-01")
    job = "generate_monthly_invoices"
    decided(lease, job=job, outcome="done", subject_part="2025-03", action="invoice 2025-03")
    decided(lease, job=job, outcome="failed", minutes=1, subject_part="2025-04", detail="no")
    thing = open_thing("billing.invoice", str(period.invoice.pk), rights=None)
    assert told(thing, job).last.words == "invoice 2025-03"


def test_waits_for_the_local_hour_of_the_schedule(invoice: Any) -> None:
    thing = open_thing("billing.invoice", str(invoice.pk), rights=None)
    at = told(thing, "apply_late_fees").look.at
    assert at == datetime(2025, 3, 20, 16, 20, tzinfo=UTC)  # it is past nine there
    Firm.objects.update(timezone="Asia/Tokyo")  # half past midnight
    thing = open_thing("billing.invoice", str(invoice.pk), rights=None)
    at = told(thing, "apply_late_fees").look.at
    assert at == datetime(2025, 3, 21, 0, 20, tzinfo=UTC)  # the first time after nine


def test_says_that_a_job_rests_and_until_when(staff: User, invoice: Any) -> None:
    until = datetime(2025, 3, 25, 10, 30, tzinfo=UTC)
    JobPause.objects.create(job="process_recurring_charges", reason="bank moves", until=until)
    thing = open_thing("billing.invoice", str(invoice.pk), rights=None)
    look = told(thing, "process_recurring_charges").look
    assert (look.at, look.pause) == (datetime(2025, 3, 25, 11, tzinfo=UTC), "bank moves")
    JobPause.objects.update(until=None)
    assert "It rests: bank moves" in said(ask(staff, q="ALD-2025-0007"))


def test_counts_no_schedule_for_another_firm_nor_one_that_is_off(invoice: Any) -> None:
    Schedule.objects.filter(func__endswith="process_recurring_charges").update(
        kwargs=f"firm_id={FirmFactory().pk}"
    )
    Schedule.objects.filter(func__endswith="mark_overdue_invoices").update(repeats=0)
    thing = open_thing("billing.invoice", str(invoice.pk), rights=None)
    assert told(thing, "process_recurring_charges").look.at is None
    assert told(thing, "mark_overdue_invoices").look.at is None


def test_answers_the_command_in_lines_and_as_data(invoice: Any) -> None:
    decided(invoice, job="process_recurring_charges", outcome="skipped", detail="no card")
    text = "\n".join(lines("ald-2025-0007"))
    assert "now: Autopay is switched off for it." in text
    assert "- no card" in text
    assert "It looks again on 2025-03-20 12:00 (America/New_York)." in text
    found = json.loads(json.dumps(data("ald-2025-0007")))
    [charge] = [one for one in found["jobs"] if one["job"] == "process_recurring_charges"]
    assert charge["conditions"] == ["autopay_opt_in"]
    assert charge["takes"] is False
    assert charge["last"]["outcome"] == "skipped"
    assert lines("nothing like it") == ["Nothing is found for “nothing like it”."]


# ---- who sees it ----------------------------------------------------------------------------


def test_shows_nothing_of_a_neighbour_and_says_the_same_as_of_nothing(
    staff: User, invoice: Any
) -> None:
    other = owner_of(FirmFactory())
    for query in (
        {"q": "ALD-2025-0007"},
        {"q": "Ada Alder"},
        {"thing": f"billing.invoice:{invoice.pk}"},
    ):
        theirs, none = ask(other, **query), ask(other, **dict.fromkeys(query, "zz:404"))
        typed = query.get("q", "no such text")
        assert without_tokens(said(theirs).replace(typed, "zz:404")) == without_tokens(
            said(none)
        )
        assert theirs.context["is_missing"] is True
    assert ask(staff, q="ALD-2025-0007").context["thing"].row == invoice


def test_tells_no_decision_of_a_neighbours_run_about_a_thing_of_both(
    staff: User, invoice: Any
) -> None:
    decided(invoice, job="sync_ad", outcome="failed", detail="secret", firm=FirmFactory())
    assert "secret" not in said(ask(staff, q="ALD-2025-0007"))


def test_takes_no_key_for_another(invoice: Any) -> None:
    for key in ("", "x", "1" * 18, f"{invoice.pk} ", "-1", "٣"):
        assert open_thing("billing.invoice", key, rights=None) is None
    assert open_thing("auth.permission", "1", rights=None) is None


def test_keeps_what_the_platform_sells_to_the_platform(staff: User, firm: Firm) -> None:
    subscription = SubscriptionFactory(firm=firm)
    query = {"thing": f"subscriptions.subscription:{subscription.pk}"}
    assert ask(staff, **query).context["is_missing"] is True
    assert ask(staff, thing=f"firms.firm:{firm.pk}").context["thing"].linked == []
    boss = UserFactory(is_superuser=True, is_staff=True)
    assert ask(boss, **query).context["thing"].row == subscription


def test_shows_only_the_jobs_that_somebody_was_granted(firm: Firm, invoice: Any) -> None:
    user = UserFactory(is_staff=True)
    Grant.objects.create(user=user, job="mark_overdue_invoices", firm=firm)
    rights = Rights(user)
    thing = open_thing("billing.invoice", str(invoice.pk), rights=None)
    assert thing
    found = answers(thing, rights=rights, clock=Clock.read())
    assert [one.job.name for one in found] == ["mark_overdue_invoices"]
    assert find("ALD-2025-0007", rights=rights) == []  # no right to see invoices at all


def test_lets_nobody_in_without_a_right(invoice: Any) -> None:
    client = Client()
    assert client.get(reverse("console:why")).status_code == 302
    client.force_login(UserFactory(is_staff=True))
    assert client.get(reverse("console:why")).status_code == 403


# ---- at what cost -------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["superuser", "staff"])
def test_needs_at_most_twelve_queries(
    staff: User, invoice: Any, what: str, django_assert_max_num_queries: Any
) -> None:
    for minutes in range(1, 40):
        for job in ("process_recurring_charges", "mark_overdue_invoices", "apply_late_fees"):
            decided(invoice, job=job, outcome="skipped", minutes=minutes)
    user = staff if what == "staff" else UserFactory(is_superuser=True, is_staff=True)
    client = Client()
    client.force_login(user)
    ada = Contact.objects.get(display_name="Ada Alder")
    lease = LeaseFactory(account=invoice.account, firm=invoice.firm)
    for kind, key in (
        ("billing.invoice", invoice.pk),
        ("billing.invoice", RentPeriodFactory(lease=lease).invoice_id),
        ("contacts.contact", ada.pk),
        ("engagements.engagement", EngagementFactory(firm=invoice.firm).pk),
        ("leasing.lease", lease.pk),
    ):
        with django_assert_max_num_queries(12):
            answer = client.get(reverse("console:why"), {"thing": f"{kind}:{key}"})
        assert answer.status_code == 200
    with django_assert_max_num_queries(12):
        client.get(reverse("console:why"), {"q": "ald-2025"})
