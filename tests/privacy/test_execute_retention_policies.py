"""execute_retention_policies: what a firm's policies say is too old goes (spec D6)."""

import tracemalloc
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEvent
from apps.core.watching import Stop, Watcher, watched_by
from apps.firms.models import Firm, FirmSettings, RetentionPolicy
from apps.firms.services.baseline import keep_for_usual
from apps.jobs.models import JobRun
from apps.privacy import services
from apps.privacy.models import RetentionRun
from tests.factories import ErasureRequestFactory, FirmFactory
from tests.privacy.expiring import (
    DAY,
    MAKE,
    NOW,
    TYPES,
    event,
    figures,
    is_there,
    make_events,
    message,
    policy,
    run,
    webhook,
)
from tests.tables import comparable

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
every_type = pytest.mark.parametrize("data_type", TYPES)


@pytest.fixture
def firm() -> Firm:
    acme: Firm = FirmFactory(name="Acme Consulting")
    return acme


# ---- what it does -------------------------------------------------------------------------


def test_deletes_what_is_too_old_and_says_so(firm: Firm) -> None:
    policy(firm, "emails")
    policy(firm, "webhooks", 30)
    for _ in range(3):
        message(firm)
    webhook(firm)
    assert run() == (
        f"Firm: Acme Consulting (ID: {firm.pk})\n"
        "  emails: 3 deleted, 0 held (before 2024-12-31)\n"
        "  webhooks: 1 deleted, 0 held (before 2025-03-01)\n"
        "\n"
        "Summary:\n"
        "  Firms processed: 1\n"
        "  Records processed: 4\n"
        "  Records held: 0\n"
        "  Errors: 0\n"
    )


@every_type
def test_does_nothing_the_second_time(firm: Firm, data_type: str) -> None:
    policy(firm, data_type)
    MAKE[data_type](firm)
    assert "Records processed: 1\n" in run()
    record = RetentionRun.objects.values().get()
    assert "Records processed: 0\n" in run()
    assert RetentionRun.objects.values().get() == record


@every_type
def test_anonymises_once(firm: Firm, data_type: str) -> None:
    policy(firm, data_type, action="anonymise")
    MAKE[data_type](firm)
    assert f"  {data_type}: 1 anonymised, 0 held (before " in run()
    assert f"  {data_type}: 0 anonymised, 0 held (before " in run()


@every_type
def test_deletes_what_was_anonymised_when_the_policy_changes(
    firm: Firm, data_type: str
) -> None:
    rule = policy(firm, data_type, action="anonymise")
    MAKE[data_type](firm)
    run()
    rule.action = "delete"
    rule.save()
    gone = 0 if data_type in {"documents", "sessions"} else 1  # nothing was left of them
    assert f"  {data_type}: {gone} deleted" in run()


@every_type
def test_leaves_the_neighbour_alone(firm: Firm, data_type: str) -> None:
    neighbour = FirmFactory()
    policy(firm, data_type)
    row = MAKE[data_type](neighbour)
    assert "Firms processed: 1\n  Records processed: 0\n" in run()
    assert is_there(row)


def test_obeys_each_firms_own_policy(firm: Firm) -> None:
    patient = FirmFactory()
    policy(firm, "emails", 30)
    policy(patient, "emails", 365)
    at = NOW - 100 * DAY
    gone, kept = message(firm, at), message(patient, at)
    run()
    assert (is_there(gone), is_there(kept)) == (False, True)


def test_obeys_no_policy_that_is_off(firm: Firm) -> None:
    policy(firm, is_active=False)
    row = message(firm)
    assert "Firms processed: 0" in run()
    assert is_there(row)


def test_keeps_for_longer_than_there_are_days(firm: Firm) -> None:
    policy(firm, days=2_147_483_647)
    row = message(firm)
    assert "emails: 0 deleted, 0 held (before 1925-04-25)" in run()
    assert is_there(row)


# ---- the cutoff ---------------------------------------------------------------------------


@every_type
def test_goes_by_the_firms_calendar_day(firm: Firm, data_type: str) -> None:
    """Retention 90, today 31 March 2025: the first moment of 31 December stays (spec D6)."""
    rule = policy(firm, data_type)
    midnight = datetime(2024, 12, 31, 5, tzinfo=UTC)  # in New York
    if data_type == "audit_logs":
        midnight = datetime(2024, 3, 31, 4, tzinfo=UTC)
    gone = MAKE[data_type](firm, midnight - MINUTE)
    stays = MAKE[data_type](firm, midnight)
    run()
    assert (is_there(gone), is_there(stays)) == (False, True)
    assert RetentionRun.objects.get().cutoff == midnight
    assert rule.retention_days in {90, 365}


@pytest.mark.parametrize(
    ("zone", "now", "days", "cutoff"),
    [
        # Whose day it is: the same instant, three dates.
        ("Pacific/Kiritimati", "2025-03-30T12:00Z", 90, "2024-12-30T10:00Z"),
        ("UTC", "2025-03-30T12:00Z", 90, "2024-12-30T00:00Z"),
        ("Pacific/Niue", "2025-03-30T10:59Z", 90, "2024-12-29T11:00Z"),
        # A change of the clocks between the cutoff and today: days, not times 24 hours.
        ("America/New_York", "2025-03-09T04:30Z", 1, "2025-03-07T05:00Z"),
        ("America/New_York", "2025-03-10T04:30Z", 1, "2025-03-09T05:00Z"),
        ("Europe/Berlin", "2025-10-26T22:59Z", 1, "2025-10-24T22:00Z"),
        ("Europe/Berlin", "2025-10-26T23:00Z", 1, "2025-10-25T22:00Z"),
        # The cutoff's midnight does not exist: the first valid moment.
        ("America/Santiago", "2024-09-18T12:00Z", 10, "2024-09-08T04:00Z"),
        # It comes twice: the first.
        ("America/Havana", "2024-11-13T12:00Z", 10, "2024-11-03T04:00Z"),
        # Half hours, and a leap day.
        ("Asia/Kolkata", "2025-03-01T12:00Z", 366, "2024-02-28T18:30Z"),
        ("Australia/Lord_Howe", "2025-04-06T12:00Z", 1, "2025-04-04T13:00Z"),
    ],
)
def test_draws_the_line_at_the_firms_midnight(
    zone: str, now: str, days: int, cutoff: str
) -> None:
    firm = FirmFactory(timezone=zone)
    policy(firm, "sessions", days)
    line = datetime.fromisoformat(cutoff)
    gone = MAKE["sessions"](firm, line - timedelta(microseconds=1))
    stays = MAKE["sessions"](firm, line)
    run(now=datetime.fromisoformat(now))
    assert RetentionRun.objects.get().cutoff == line
    assert (is_there(gone), is_there(stays)) == (False, True)


def test_prints_the_day_of_the_cutoff_as_the_firm_writes_it() -> None:
    policy(FirmFactory(timezone="Pacific/Kiritimati"), "emails", 1)
    assert "(before 2025-03-31)" in run(now=datetime(2025, 3, 31, 12, tzinfo=UTC))


# ---- which firms and types ----------------------------------------------------------------


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_keeps_a_suspended_firms_data_for_its_return(status: str) -> None:
    firm = FirmFactory(status=status)
    policy(firm)
    row = message(firm)
    assert "Firms processed: 0" in run()
    assert run(firm_id=firm.pk).startswith(f"Firm {firm.pk} is {status}; skipped.\n")
    assert is_there(row)


def test_takes_one_firm(firm: Firm) -> None:
    other = FirmFactory()
    rows = []
    for one in (firm, other):
        policy(one)
        rows.append(message(one))
    assert "Firms processed: 1\n  Records processed: 1\n" in run(firm_id=firm.pk)
    assert [is_there(row) for row in rows] == [False, True]


def test_takes_one_type(firm: Firm) -> None:
    rows = {}
    for data_type in TYPES:
        policy(firm, data_type)
        rows[data_type] = MAKE[data_type](firm)
    run(data_type="webhooks")
    assert [name for name, row in rows.items() if not is_there(row)] == ["webhooks"]
    assert figures() == [("webhooks", 1, 0, 0)]


def test_refuses_an_unknown_firm() -> None:
    with pytest.raises(CommandError, match=r"^Firm with ID 999 does not exist\.$"):
        run(firm_id=999)


def test_refuses_an_unknown_type() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'letters'"):
        call_command("execute_retention_policies", "--data-type", "letters")


def test_goes_by_type_in_the_order_of_the_specification(firm: Firm) -> None:
    keep_for_usual(firm=firm)
    said = [line.split(":")[0].strip() for line in run().splitlines()[1:6]]
    assert said == RetentionPolicy.DataType.values


# ---- the audit trail's floor --------------------------------------------------------------


def short(firm: Firm, days: int = 30) -> RetentionPolicy:
    """An audit policy that no form lets through."""
    rule: RetentionPolicy = policy(firm, "audit_logs")
    RetentionPolicy.objects.filter(pk=rule.pk).update(retention_days=days)
    return rule


def test_never_lets_audit_logs_go_within_a_year(firm: Firm) -> None:
    short(firm)
    policy(firm, "webhooks")
    kept, gone = event(firm), webhook(firm)
    with pytest.raises(CommandError, match="1 item"):
        run()
    assert (is_there(kept), is_there(gone)) == (True, False)
    [failed] = JobRun.objects.get().items.filter(outcome="failed")
    assert failed.detail == "Audit logs are kept for at least 365 days."
    assert figures() == [("webhooks", 1, 0, 0)]


def test_obeys_a_floor_that_was_raised_later(firm: Firm) -> None:
    short(firm, 365)
    FirmSettings.objects.filter(firm=firm).update(audit_retention_floor_days=400)
    kept = event(firm)
    with pytest.raises(CommandError):
        run()
    assert is_there(kept)


def test_a_floor_of_one_firm_is_none_of_anothers(firm: Firm) -> None:
    FirmSettings.objects.exclude(firm=firm).update(audit_retention_floor_days=400)
    policy(firm, "audit_logs", 365)
    gone = event(firm)
    run()
    assert not is_there(gone)


def test_keeps_the_events_of_open_erasure_requests(firm: Firm) -> None:
    policy(firm, "audit_logs")
    open_, closed = ErasureRequestFactory(), ErasureRequestFactory(closed_at=NOW)
    about = [
        event(firm, object_type="privacy.erasurerequest", object_id=str(request.pk))
        for request in (open_, closed)
    ]
    other = event(firm, object_id=str(open_.pk))
    assert "audit_logs: 2 deleted, 0 held" in run()
    assert [is_there(row) for row in (*about, other)] == [True, False, False]


# ---- batches, failures, interruptions -----------------------------------------------------


def test_puts_a_thousand_rows_on_the_record_as_one_item(firm: Firm) -> None:
    policy(firm, "audit_logs")
    make_events(firm, 2_500)
    run()
    record = JobRun.objects.get()
    items = record.items.order_by("position").values_list("action", flat=True)
    assert list(items) == [
        "delete 1000 audit events",
        "delete 1000 audit events",
        "delete 500 audit events",
        "2500 deleted, 0 held",
    ]


@every_type
def test_puts_nothing_personal_on_the_record(firm: Firm, data_type: str) -> None:
    policy(firm, data_type)
    row = MAKE[data_type](firm, NOW - 400 * DAY)
    run()
    batch, *_, closing = JobRun.objects.get().items.order_by("position")
    name = type(row)._meta.verbose_name_plural
    assert batch.subject_label == f"1 {name} from {row.pk} to {row.pk}"
    assert (closing.subject_label, batch.firm, closing.firm) == (data_type, firm, firm)


class StopsAfter(Watcher):
    """Stops a run after so many items, as SIGTERM does."""

    def __init__(self, items: int) -> None:
        self.left = items

    def between(self) -> None:
        if not self.left:
            raise Stop("Interrupted")

    def told(self, items: Any) -> None:
        self.left -= 1


def test_finishes_what_a_stopped_run_left(firm: Firm) -> None:
    policy(firm, "audit_logs")
    make_events(firm, 4_500)
    with (
        time_machine.travel(NOW, tick=False),
        pytest.raises(Stop),
        watched_by(StopsAfter(2)),
    ):
        services.execute_retention_policies()
    assert AuditEvent.objects.count() == 2_500
    assert figures() == [("audit_logs", 2_000, 0, 0)]
    assert "audit_logs: 2500 deleted, 0 held" in run()
    assert AuditEvent.objects.count() == 0
    assert figures() == [("audit_logs", 4_500, 0, 0)]


def test_one_bad_batch_spares_the_rest(firm: Firm) -> None:
    neighbour = FirmFactory()
    for one in (firm, neighbour):
        policy(one, "audit_logs")
        make_events(one, 1_500)
    bad = AuditEvent.objects.filter(firm=firm).earliest("pk").pk
    with connection.cursor() as cursor:
        _refuse_to_delete(cursor, bad)
    with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
        run()
    assert AuditEvent.objects.filter(firm=firm).count() == 1_000
    assert AuditEvent.objects.filter(firm=neighbour).count() == 0
    assert figures() == [("audit_logs", 500, 0, 1), ("audit_logs", 1_500, 0, 0)]


def _refuse_to_delete(cursor: Any, key: int) -> None:
    """Let the database refuse to delete one event of the audit trail."""
    if connection.vendor == "postgresql":
        cursor.execute(
            "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'refused'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE DELETE ON audit_auditevent FOR EACH ROW "
            f"WHEN (OLD.id = {key}) EXECUTE FUNCTION pg_temp.refuse()"
        )
    else:
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE DELETE ON audit_auditevent "
            f"WHEN OLD.id = {key} BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )


def test_a_firm_in_no_zone_spares_the_others(firm: Firm) -> None:
    nowhere = FirmFactory(timezone="Mars/Olympus")
    for one in (nowhere, firm):
        policy(one)
    row = message(firm)
    with pytest.raises(CommandError):
        run()
    assert not is_there(row)


# ---- a dry run ----------------------------------------------------------------------------


def test_a_dry_run_says_what_would_go_and_changes_nothing(firm: Firm) -> None:
    rows: list[Model] = []
    for data_type in TYPES:
        policy(firm, data_type, action="anonymise" if data_type == "webhooks" else "delete")
        rows += [MAKE[data_type](firm), MAKE[data_type](firm)]
    before = [_as_it_is(row) for row in rows]
    said = run(dry_run=True)
    assert "  emails: 2 would be deleted, 0 held (before 2024-12-31)\n" in said
    assert "  webhooks: 2 would be anonymised, 0 held (before 2024-12-31)\n" in said
    assert "  Records that would be processed: 10\n" in said
    assert [_as_it_is(row) for row in rows] == before
    assert not RetentionRun.objects.exists()


def test_a_dry_run_leaves_the_record_of_the_day_alone(firm: Firm) -> None:
    policy(firm)
    message(firm)
    run()
    message(firm)
    before = RetentionRun.objects.values().get()
    run(dry_run=True)
    assert RetentionRun.objects.values().get() == before


def _as_it_is(row: Any) -> list[Any]:
    [values] = type(row).objects.filter(pk=row.pk).values_list()
    return [comparable(value) for value in values]


# ---- the record ---------------------------------------------------------------------------


def test_records_each_firm_and_type(firm: Firm) -> None:
    other = FirmFactory()
    for one in (firm, other):
        policy(one, "emails")
        policy(one, "webhooks", action="anonymise")
    message(firm)
    run()
    assert figures(firm=firm) == [("emails", 1, 0, 0), ("webhooks", 0, 0, 0)]
    assert figures(firm=other) == [("emails", 0, 0, 0), ("webhooks", 0, 0, 0)]
    record = RetentionRun.objects.get(firm=firm, data_type="webhooks")
    assert (record.action, record.ran_at) == ("anonymise", NOW)


def test_records_another_day_apart(firm: Firm) -> None:
    policy(firm)
    message(firm)
    run()
    message(firm, NOW - 90 * DAY)
    run(now=NOW + DAY)
    days = RetentionRun.objects.order_by("pk").values_list("cutoff", "processed")
    assert [(at.date(), count) for at, count in days] == [
        (date(2024, 12, 31), 1),
        (date(2025, 1, 1), 1),
    ]


# ---- how much it asks and holds -----------------------------------------------------------


def test_asks_more_often_only_for_more_batches(firm: Firm) -> None:
    policy(firm, "audit_logs")

    def asked(count: int) -> int:
        make_events(firm, count)
        with time_machine.travel(NOW, tick=False), CaptureQueriesContext(connection) as queries:
            services.execute_retention_policies()
        assert AuditEvent.objects.count() == 0
        return len(queries)

    asked(10)  # makes the day's record
    few, many = asked(10), asked(2_500)
    assert many - few == 2 * 7  # two batches more, with their transactions


@pytest.mark.slow
def test_holds_one_batch_in_memory_of_50000_rows(firm: Firm) -> None:
    policy(firm, "audit_logs")
    make_events(firm, 50_000)
    tracemalloc.start()
    try:
        with time_machine.travel(NOW, tick=False):
            report = services.execute_retention_policies()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.tallies["processed"] == 50_000
    assert peak < 3_000_000
