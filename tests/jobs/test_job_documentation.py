"""docs/jobs.md, made from the job table."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.jobs.documentation import jobs_page


@pytest.fixture
def page(settings: Settings, tmp_path: Path) -> Path:
    """Where the page of the tests' own jobs goes."""
    settings.JOBS_MODULE = "tests.jobs.work"
    settings.BASE_DIR = tmp_path
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs" / "jobs.md"


def make(**options: bool) -> str:
    out = StringIO()
    call_command("make_jobs_docs", stdout=out, **options)
    return out.getvalue()


def test_writes_the_page(page: Path) -> None:
    assert make() == "docs/jobs.md written.\n"
    assert page.read_text() == jobs_page()


def test_says_that_nothing_changed(page: Path) -> None:
    make()
    assert make() == "docs/jobs.md is up to date.\n"


def test_passes_the_check_when_up_to_date(page: Path) -> None:
    make()
    assert make(check=True) == "docs/jobs.md is up to date.\n"


@pytest.mark.parametrize("text", ["", None])
def test_fails_the_check_and_writes_nothing(page: Path, text: str | None) -> None:
    if text is not None:
        page.write_text(text)
    with pytest.raises(CommandError, match="out of date; run"):
        make(check=True)
    assert not page.exists() or page.read_text() == text


@pytest.mark.usefixtures("page")
def test_says_of_a_job_what_when_and_how() -> None:
    assert (
        "| [`greet_contacts`](#greet_contacts) | Greet every contact once. "
        "| `0 9 * * *` at 09:00 | `--firm-id ID`<br>`--days-ago N` (0)"
        "<br>`--as-of YYYY-MM-DD`<br>`--dry-run` |\n"
    ) in jobs_page()


@pytest.mark.usefixtures("page")
def test_says_that_a_job_without_a_time_waits_to_be_asked() -> None:
    assert "| Greet every contact once, many at a time. | only when asked |" in jobs_page()


@pytest.mark.usefixtures("page")
def test_quotes_the_docstring_and_the_options() -> None:
    assert (
        "### greet_crowds\n\nGreet every contact once, many at a time.\n\n"
        "- `--firm-id ID`: Only this firm.\n"
        "- `--dry-run`: Show what would happen without changing anything.\n\n"
        "For a schedule: `apps.jobs.services.greet_crowds`\n"
    ) in jobs_page()
