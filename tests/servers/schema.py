"""The migrated schema, kept between runs: to migrate takes half a minute, to copy it none.

A run's first process makes it, or finds it in var/schemas; each worker's test database
begins as a copy. Django still migrates every copy, which finds nothing left to do.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg2

from tests.servers.postgres import client_program

ROOT = Path(__file__).parents[2]
# What decides how a schema comes out.
MAKERS = ("apps/*/migrations/*.py", "apps/billing/views_sql/*.*", "requirements/dev.txt")
KEPT = ROOT / "var" / "schemas"
TEMPLATE = "nightshift_template"


def migrated_file() -> Path:
    """Return an SQLite file whose schema is complete; nobody may write in it."""
    return _kept(".sqlite3", lambda made: _migrate(f"sqlite:///{made}"))


def migrated_template(url: str) -> str:
    """Fill a PostgreSQL database that test databases can be copied from; return its name.

    ``url`` names any database of a server that is this run's alone.
    """
    server = psycopg2.connect(url)
    server.autocommit = True  # CREATE DATABASE is for no transaction
    server.cursor().execute(f"CREATE DATABASE {TEMPLATE}")
    server.close()
    template = f"{url.rpartition('/')[0]}/{TEMPLATE}"

    def dump(made: Path) -> None:
        _migrate(template)
        _run(client_program("pg_dump"), "--no-owner", f"--file={made}", template)

    fresh = not _path(".sql").exists()
    script = _kept(".sql", dump)
    if not fresh:
        _run(client_program("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-f", script, template)
    return TEMPLATE


def _kept(suffix: str, make: Callable[[Path], None]) -> Path:
    """Return the file of today's migrations, making it where it is not there yet."""
    path = _path(suffix)
    if not path.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        for old in KEPT.glob(f"*{suffix}"):
            old.unlink(missing_ok=True)
        made = path.with_name(f"{os.getpid()}.{path.name}")  # two runs may begin at once
        make(made)
        made.replace(path)
    return path


def _path(suffix: str) -> Path:
    digest = hashlib.sha256(sys.version.encode())
    for maker in MAKERS:
        for source in sorted(path for path in ROOT.glob(maker) if path.is_file()):
            digest.update(source.relative_to(ROOT).as_posix().encode() + source.read_bytes())
    return KEPT / f"{digest.hexdigest()[:20]}{suffix}"


def _migrate(url: str) -> None:
    _run(
        *(sys.executable, "-m", "django", "migrate", "--verbosity=0", "--skip-checks"),
        DATABASE_URL=url,
        DJANGO_SETTINGS_MODULE="tests.settings",
        PYTHONPATH=str(ROOT),
    )


def _run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def copy_file(migrated: Path, to: Path) -> None:
    """Begin a test database as a copy of the schema."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(migrated, to)
