"""Logs never repeat the rows that databases quote in their errors."""

import json
import logging
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from apps.core.logs import DiscreetFormatter, DiscreetJsonFormatter
from apps.core.reports import Report, Subject
from apps.firms.models import User
from apps.jobs.job import find
from apps.jobs.models import JobRun
from apps.jobs.recording import recorded
from tests.factories import FirmFactory, UserFactory

ADA = "ada.lovelace"


def written(error: BaseException | None, message: str = "It failed") -> str:
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, message, (), None)
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    return DiscreetFormatter("{message}", style="{").format(record)


@pytest.mark.django_db
def test_leave_out_the_row_that_the_database_refused() -> None:
    UserFactory(username=ADA)
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        User.objects.create(username=ADA)
    text = written(refused.value)
    assert "IntegrityError" in text
    assert ADA not in text
    if connection.vendor == "postgresql":
        assert ADA in str(refused.value)
        assert "DETAIL: (left out)" in text


@pytest.mark.postgres
@pytest.mark.django_db
def test_leave_out_the_statement_that_the_database_could_not_read() -> None:
    with (
        pytest.raises(ProgrammingError, match=ADA) as refused,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT %s::text FORM nothing", [ADA])
    assert ADA not in written(refused.value)


def test_leave_out_every_line_of_a_row() -> None:
    error = ValueError("duplicate key\nDETAIL:  Key (note)=(first\nsecond, ada) exists.\nmore")
    assert written(error) == "It failed\nValueError: duplicate key\nDETAIL: (left out)"


def test_keep_the_traceback_that_follows() -> None:
    try:
        try:
            raise KeyError
        except KeyError as error:
            raise IntegrityError(f"duplicate\nDETAIL:  Failing row: ({ADA}).\n") from error
    except IntegrityError as error:
        last = RuntimeError("gave up")
        last.__cause__ = error
        text = written(last)
    assert ADA not in text
    assert text.count("The above exception was the direct cause") == 2
    assert text.endswith("RuntimeError: gave up")


def test_leave_out_rows_in_messages_too() -> None:
    text = written(None, "could not save:\nDETAIL:  Key (email)=(ada@example.com) exists.")
    assert text == "could not save:\nDETAIL: (left out)"


def test_leave_out_the_key_in_an_address() -> None:
    text = written(None, 'GET "/v1/forecast?latitude=1&apikey=secret&timezone=GMT" 200')
    assert text == 'GET "/v1/forecast?latitude=1&apikey=…&timezone=GMT" 200'


def test_leave_ordinary_lines_alone() -> None:
    assert written(None, "12 rows; LINE 1 is fine") == "12 rows; LINE 1 is fine"


# ---- for machines -------------------------------------------------------------------------


def read(record: logging.LogRecord) -> dict[str, Any]:
    line = DiscreetJsonFormatter().format(record)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def make_record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("apps.x").makeRecord(
        "apps.x", logging.WARNING, "x.py", 1, message, args, None, extra=extra
    )


def test_are_one_object_a_line_for_machines() -> None:
    record = make_record("Two\nlines of %s", "Zoë", request="<GET /sign/hush/>")
    record.created = 1_742_990_400.25
    assert read(record) == {
        "at": "2025-03-26T12:00:00.250000+00:00",
        "level": "WARNING",
        "logger": "apps.x",
        "message": "Two\nlines of Zoë",
    }


def test_are_as_discreet_for_machines() -> None:
    error = ValueError(f"duplicate key\nDETAIL:  Key (note)=(first\nsecond, {ADA}) exists.")
    record = make_record("GET /sign/hush/ 500")
    record.exc_info = (type(error), error, None)
    found = read(record)
    assert found["message"] == "GET /sign/…/ 500"
    assert found["error"] == "ValueError: duplicate key\nDETAIL: (left out)"


@pytest.mark.django_db(transaction=True)
def test_name_the_run_the_job_and_the_firm_at_work() -> None:
    record = make_record("x")
    firm = FirmFactory()
    subject = Subject("contacts.contact", "1", "Ada", firm_id=firm.pk)
    with recorded(find("close_lost_runs"), {}, source=JobRun.Source.COMMAND) as recorder:
        report = Report()
        with report.attempt(subject):
            inside = read(record)
        between = read(record)
        single: list[dict[str, Any]] = []
        report.attempt_each(
            [subject], lambda items: single.append(read(record)), subject=lambda one: one
        )
    known = {"run": recorder.run.pk, "job": "close_lost_runs"}
    said = {"level": "WARNING", "logger": "apps.x", "message": "x", "at": inside["at"]}
    assert inside == said | known | {"firm": firm.pk}
    assert single == [inside]
    assert between == said | known
    assert read(record) == said
