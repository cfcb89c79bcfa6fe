"""Every job: what is declared, what it is, and what it does are the same thing.

The first half needs no data. The second puts the generic ones of the five questions to every
job on the demo world; exact values are asked in each job's own test file.
"""

import inspect
import pydoc
import re
import types
import typing
from collections import Counter
from contextlib import nullcontext, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import (
    CommandError,
    call_command,
    get_commands,
    load_command_class,
)
from django.db import connection
from django_q.models import Schedule

from apps.firms.models import Firm, User
from apps.jobs.commands import JobCommand
from apps.jobs.job import Job, Option, registry
from apps.jobs.schedules import INSTRUCTIONS, broken_rules, written
from tests.tables import comparable

JOBS = registry()
COMMANDS = sorted(name for name, app in get_commands().items() if app.startswith("apps."))

every_job = pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
every_command = pytest.mark.parametrize("name", COMMANDS)


# ---- the declaration --------------------------------------------------------------------


def parameters(job: Job) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(job.service).parameters)


def literal_type(job: Job, name: str) -> Any:
    """Return a parameter's type, without the None that stands for "all"."""
    hint = typing.get_type_hints(job.service)[name]
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        (hint,) = [one for one in typing.get_args(hint) if one is not type(None)]
    return hint


def test_has_a_name_of_its_own() -> None:
    assert [
        name for name, count in Counter(job.name for job in JOBS).items() if count > 1
    ] == []


@every_job
def test_takes_only_named_arguments_with_defaults(job: Job) -> None:
    for parameter in parameters(job).values():
        assert parameter.kind == inspect.Parameter.KEYWORD_ONLY, parameter
        assert parameter.default is not inspect.Parameter.empty, parameter


@every_job
def test_takes_only_literals(job: Job) -> None:
    for name in parameters(job):
        assert literal_type(job, name) in {int, str, bool}, name


@every_job
def test_declares_the_arguments_that_it_takes(job: Job) -> None:
    declared = {o.name: (o.type, o.default) for o in job.options}
    taken = {n: (literal_type(job, n), p.default) for n, p in parameters(job).items()}
    assert declared == taken
    assert all(type(o.default) in {o.type, type(None)} for o in job.options)


@every_job
def test_takes_nothing_that_django_q2_keeps_for_itself(job: Job) -> None:
    assert not INSTRUCTIONS & {option.name for option in job.options}


@every_job
def test_returns_a_report(job: Job) -> None:
    assert typing.get_type_hints(job.service)["return"].__name__ == "Report"


@every_job
def test_says_in_one_line_what_it_does(job: Job) -> None:
    first, _, rest = (inspect.getdoc(job.service) or "").partition("\n")
    assert job.summary == first
    assert first.endswith(".")
    assert first.count(".") == 1, "one sentence"
    assert len(first) <= 88
    assert first[0].isupper()
    assert not re.fullmatch(r".*[^s]s", first.split()[0]), "completes 'This function will …'"
    assert not rest or rest.startswith("\n"), "a blank line after the first"


@every_job
def test_explains_every_option(job: Job) -> None:
    for option in job.options:
        assert option.help.endswith("."), option.name
        assert option.switch.startswith("--"), option.name


@every_job
def test_is_found_at_the_path_that_a_schedule_names(job: Job) -> None:
    assert pydoc.locate(job.path) is job.service


@every_job
def test_can_be_scheduled_as_declared(job: Job) -> None:
    job.bind(job.kwargs)
    row = Schedule(name=job.name, func=job.path, kwargs=written(dict(job.kwargs)))
    row.schedule_type, row.cron = Schedule.CRON, job.cron or "0 4 * * *"
    assert broken_rules(row) == {}


@every_job
def test_is_in_the_documentation(job: Job) -> None:
    page = (Path(settings.BASE_DIR) / "docs" / "jobs.md").read_text(encoding="utf-8")
    assert f"\n### {job.name}\n\n{inspect.getdoc(job.service)}\n" in page


def test_is_documented_as_it_is() -> None:
    call_command("make_jobs_docs", check=True, stdout=StringIO())


# ---- the commands -------------------------------------------------------------------------


def load(name: str) -> Any:
    return load_command_class(get_commands()[name], name)


@every_job
def test_has_a_command_of_the_same_name(job: Job) -> None:
    command = load(job.name)
    assert isinstance(command, JobCommand)
    assert command.job == job.name
    assert get_commands()[job.name] == f"apps.{job.app}"


@every_job
def test_reads_no_options_as_the_defaults(job: Job) -> None:
    command = load(job.name)
    given = vars(command.create_parser("manage.py", job.name).parse_args([]))
    assert {o.name: given[o.name] for o in job.options} == {
        o.name: o.default for o in job.options
    }


@every_job
def test_reads_every_option(job: Job) -> None:
    def typed(option: Option) -> list[str]:
        if option.type is bool:
            return [option.switch]
        return [option.switch, option.choices[0] if option.choices else "7"]

    def read(option: Option) -> Any:
        return True if option.type is bool else option.type(typed(option)[1])

    parser = load(job.name).create_parser("manage.py", job.name)
    given = vars(parser.parse_args([word for o in job.options for word in typed(o)]))
    assert {o.name: given[o.name] for o in job.options} == {
        o.name: read(o) for o in job.options
    }


@every_command
def test_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = load(name)
    with pytest.raises(SystemExit) as stopped:
        command.create_parser("manage.py", name).parse_args(["--help"])
    assert stopped.value.code == 0
    assert command.help.split()[0] in capsys.readouterr().out


# ---- on the demo world ----------------------------------------------------------------------

# What runs leave behind by being runs (spec A6.1).
RECORD = {
    *("jobs_jobrun", "jobs_jobrunitem", "jobs_jobrunlog", "jobs_runlock", "jobs_clustersign"),
    "discrepancies_reconciliationrun",
}


def every_row(*, except_of: Firm | None = None) -> dict[str, Counter[str]]:
    """Return every row of every table but the record; ``except_of`` leaves a firm's out."""
    rows = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table in RECORD:
                continue
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description]
            read = [map(comparable, row) for row in cursor.fetchall()]
            found = [dict(zip(names, row, strict=True)) for row in read]
            if except_of:
                found = [r for r in found if r.get("firm_id") not in {None, except_of.pk}]
            rows[table] = Counter(map(str, found))
    return rows


def changed(before: dict[str, Counter[str]], after: dict[str, Counter[str]]) -> list[str]:
    """Return the tables in which something is different."""
    return [table for table in after if before.get(table) != after[table]]


# Whoever asks for these again wants it done again.
ASKED_FOR = {"export_user_data"}
# Which firm of the demo world has what these need.
ELSEWHERE = {"sync_ad": "acme-consulting"}

# Of one of the demo's mailboxes somebody has typed the wrong password.
FAILING = {"sync_emails"}

Needed = dict[str, dict[str, Any]]


@pytest.fixture
def needed(tmp_path: Path) -> Needed:
    """What some jobs cannot do without, by their names."""
    sally = User.objects.get(username="streak_sally")
    evergreen = Firm.objects.get(slug="evergreen-pm")
    return {
        "export_user_data": {"user_id": sally.pk, "output_dir": str(tmp_path)},
        "send_notification": {
            "to_group": "All Tenants",
            "subject": "Water",
            "body": "It is off on Monday.",
            "firm_id": evergreen.pk,
        },
    }


def run(job: Job, needed: Needed, **options: Any) -> None:
    options |= needed.get(job.name, {})
    with suppress(CommandError) if job.name in FAILING else nullcontext():
        call_command(job.name, stdout=StringIO(), stderr=StringIO(), **options)


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.usefixtures("demo_world", "demo_banks", "demo_post")
def test_leaves_no_trace_in_a_dry_run(needed: Needed, subtests: pytest.Subtests) -> None:
    before = every_row()
    for job in (job for job in JOBS if job.previews):
        with subtests.test(job.name):
            run(job, needed, dry_run=True)
            assert changed(before, every_row()) == []


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.usefixtures("demo_world", "demo_banks", "demo_post", "smtp_server")
def test_does_nothing_the_second_time(needed: Needed, subtests: pytest.Subtests) -> None:
    untouched = every_row()
    for job in (job for job in JOBS if job.name not in ASKED_FOR):
        with subtests.test(job.name):
            run(job, needed)
            before = every_row()
            run(job, needed)
            assert changed(before, every_row()) == []
    assert "billing_invoice" in changed(untouched, every_row())


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.usefixtures("demo_world", "demo_banks", "demo_post", "smtp_server")
def test_leaves_the_neighbour_untouched(needed: Needed, subtests: pytest.Subtests) -> None:
    of_firms = [job for job in JOBS if any(o.name == "firm_id" for o in job.options)]
    for slug in sorted({ELSEWHERE.get(job.name, "evergreen-pm") for job in of_firms}):
        firm = Firm.objects.get(slug=slug)
        before = every_row(except_of=firm)
        for job in (j for j in of_firms if ELSEWHERE.get(j.name, "evergreen-pm") == slug):
            with subtests.test(job.name):
                run(job, needed, firm_id=firm.pk)
                assert changed(before, every_row(except_of=firm)) == []
