"""The command of a job in a process of its own: streams, terminals, signals, exit status."""

import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from apps.contacts.models import Contact
from apps.jobs.models import JobRun
from tests.jobs.work import contacts, greeted
from tests.servers.cluster import ROOT, FileDatabase

pytestmark = pytest.mark.django_db

State = JobRun.State


def greet_apart(
    database: FileDatabase, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tests.jobs.greet", *arguments],
        cwd=ROOT,
        env={**database.environment, "LOG_LEVEL": "CRITICAL", **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_prints_utf_8_on_a_posix_locale(file_database: FileDatabase) -> None:
    contacts("", "explains")
    done = greet_apart(
        file_database, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING=""
    )
    assert "  ✓ A: greeted\n  ✗ B: the greeter is hoarse\n" in done.stdout.decode("utf-8")
    assert done.stderr == b"CommandError: 1 item(s) failed; see the log.\n"
    assert done.returncode == 1


def test_exits_2_for_what_argparse_refuses(file_database: FileDatabase) -> None:
    done = greet_apart(file_database, "--firm-id", "abc")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"invalid int value: 'abc'" in done.stderr
    assert not JobRun.objects.exists()


def test_exits_1_for_a_bad_option(file_database: FileDatabase) -> None:
    done = greet_apart(file_database, "--firm-id", "999")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"CommandError: Firm with ID 999 does not exist.\n"


def test_exits_0_with_skips_and_declines(file_database: FileDatabase) -> None:
    contacts("skips", "declines")
    done = greet_apart(file_database)
    assert (done.returncode, done.stderr) == (0, b"")


def test_sigterm_ends_it_after_the_current_item(file_database: FileDatabase) -> None:
    contacts("", "terminates", "")
    done = greet_apart(file_database)
    assert (done.returncode, done.stderr) == (1, b"CommandError: Interrupted\n")
    assert b"  Greeted: 2\n" in done.stdout
    assert JobRun.objects.get().state == State.INTERRUPTED


def test_the_next_run_finishes_what_a_killed_one_left(file_database: FileDatabase) -> None:
    contacts("", "dies", "")
    assert greet_apart(file_database).returncode == -signal.SIGKILL
    assert (JobRun.objects.get().state, len(greeted())) == (State.RUNNING, 1)
    Contact.objects.update(last_name="")
    done = greet_apart(file_database)
    assert (done.returncode, len(greeted())) == (0, 3)
    lost, finished = JobRun.objects.order_by("pk")
    assert (lost.state, finished.state, finished.done) == (State.LOST, State.DONE, 2)


def on_a_terminal(
    database: FileDatabase, *, stdout_too: bool, **environment: str
) -> tuple[bytes, bytes]:
    """Run the command with a terminal for stderr; return what came on stdout and on it."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.greet"],
        cwd=ROOT,
        env={**database.environment, "TERM": "xterm", "COLUMNS": "80", **environment},
        stdout=end if stdout_too else subprocess.PIPE,
        stderr=end,
    )
    os.close(end)
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that nobody holds the other end any more
            break
        if not piece:
            break
        shown += piece
    out = process.stdout.read() if process.stdout else b""
    process.wait(60)
    if process.stdout:
        process.stdout.close()
    os.close(terminal)
    return out, shown


def test_shows_progress_on_a_terminal_s_stderr_only(file_database: FileDatabase) -> None:
    contacts("", "")
    out, shown = on_a_terminal(file_database, stdout_too=False)
    assert out.decode() == (
        "Greeting contacts...\n"
        "  ✓ A: greeted\n"
        "  ✓ B: greeted\n"
        "\n"
        "Summary:\n"
        "  Greeted: 2\n"
        "  Cost: $0.00\n"
        "  Skipped: 0\n"
        "  Errors: 0\n"
    )
    assert b"Working" in shown
    assert b"100%" in shown
    assert b"greeted" not in shown


def test_prints_its_lines_above_the_progress(file_database: FileDatabase) -> None:
    contacts("")
    _, shown = on_a_terminal(file_database, stdout_too=True)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert plain.index("Greeting contacts...") < plain.index("✓ A: greeted")
    assert plain.endswith(
        "Summary:\r\n  Greeted: 1\r\n  Cost: $0.00\r\n  Skipped: 0\r\n  Errors: 0\r\n"
    )
    assert re.search(r"\x1b\[(1;32|32;1)m  ✓ A", shown.decode())  # green


def test_no_color_prints_no_colour(file_database: FileDatabase) -> None:
    contacts("", "explains")
    _, shown = on_a_terminal(file_database, stdout_too=True, NO_COLOR="1", LOG_LEVEL="CRITICAL")
    assert "✗ B: the greeter is hoarse" in shown.decode()
    assert not re.search(rb"\x1b\[[0-9;]*m", shown.replace(b"\x1b[0m", b""))


def test_shows_no_progress_elsewhere(file_database: FileDatabase) -> None:
    contacts("")
    done = greet_apart(file_database, FORCE_COLOR="1")
    assert b"Working" not in done.stderr
    assert b"Working" not in done.stdout
