"""A bad value in the environment stops the start with a sentence that repeats no secret."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from project import env

ROOT = Path(__file__).resolve().parents[1]
BUCKET = {
    "vendor": "s3",
    "endpoint": "https://s3.eu-central-1.amazonaws.com",
    "bucket": "acme-files",
    "region": "us-east-1",
    "addressing": "path",
    "access_key": "",
    "secret_key": "",
}


# ---- STORAGE_URL --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "storage"),
    [
        ("file:///srv/files", {"vendor": "folder", "folder": "/srv/files"}),
        ("file:///srv/our%20files/", {"vendor": "folder", "folder": "/srv/our files"}),
        ("s3://s3.eu-central-1.amazonaws.com/acme-files", BUCKET),
        (
            "s3://AKIA1:a%2Fb+c%40d@s3.eu-central-1.amazonaws.com/acme-files/"
            "?region=eu-central-1&addressing=virtual",
            BUCKET
            | {"access_key": "AKIA1", "secret_key": "a/b+c@d"}
            | {"region": "eu-central-1", "addressing": "virtual"},
        ),
        (
            "s3://k:s@[::1]:9000/acme-files?tls=off",
            BUCKET | {"endpoint": "http://[::1]:9000", "access_key": "k", "secret_key": "s"},
        ),
    ],
)
def test_a_storage_url_says_where_files_are_kept(
    monkeypatch: pytest.MonkeyPatch, url: str, storage: dict[str, Any]
) -> None:
    monkeypatch.setenv("STORAGE_URL", url)
    assert env.storage("STORAGE_URL", "") == storage


@pytest.mark.parametrize(
    "url",
    [
        *("", "/srv/files", "ftp://host/files", "file:///", "file://host/files", "file:files"),
        *("s3://host", "s3:///acme-files", "s3://host/ab", "s3://host/a/b", "s3://host/%61cme"),
        *("s3://marker@host/acme-files", "s3://:marker@host/acme-files"),
        *("s3://key:mark/er@host/acme-files", "s3://key:marker@host:port/acme-files"),
        "s3://key:marker@host:99999/acme-files",
        *("s3://host/acme-files?tls=maybe", "s3://host/acme-files?addressing=x"),
        *("s3://host/acme-files?region=", "s3://host/acme-files?secret=marker"),
        "s3://key:marker@[host/acme-files",
    ],
)
def test_any_other_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("STORAGE_URL", url)
    with pytest.raises(ImproperlyConfigured) as refused:
        env.storage("STORAGE_URL", "")
    assert str(refused.value) == (
        "STORAGE_URL must be file:///folder or s3://key:secret@host:port/bucket?region=name; "
        "in a secret, write / as %2F."
    )
    assert refused.value.__context__ is None


@pytest.mark.slow
def test_production_has_to_say_where_files_are_kept() -> None:
    production = {
        "NIGHTSHIFT_ENVIRONMENT": "production",
        "SECRET_KEY": "x" * 50,
        "ENCRYPTION_KEYS": "b25seS1mb3ItdGhpcy1jaGVjay0wMTIzNDU2Nzg5LWE=",
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-c", "import project.settings"],
        cwd=ROOT,
        env=production,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "ImproperlyConfigured: STORAGE_URL must be file:///folder" in done.stderr


# ---- numbers and choices ------------------------------------------------------------------


@pytest.mark.parametrize(("value", "says"), [("0", "at least 1"), ("11", "at most 10")])
def test_a_number_keeps_to_its_bounds(
    monkeypatch: pytest.MonkeyPatch, value: str, says: str
) -> None:
    monkeypatch.setenv("UPLOAD_MAX_MIB", value)
    with pytest.raises(ImproperlyConfigured, match=f"^UPLOAD_MAX_MIB must be {says}"):
        env.whole("UPLOAD_MAX_MIB", 5, least=1, most=10)


def test_a_choice_is_one_of_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.some("UPLOAD_TYPES", ["a/b", "c/d"]) == ["a/b", "c/d"]
    monkeypatch.setenv("UPLOAD_TYPES", " c/d ")
    assert env.some("UPLOAD_TYPES", ["a/b", "c/d"]) == ["c/d"]
    for wrong in ("c/d,text/html", ","):
        monkeypatch.setenv("UPLOAD_TYPES", wrong)
        with pytest.raises(
            ImproperlyConfigured, match=r"^UPLOAD_TYPES must be some of a/b, c/d\."
        ):
            env.some("UPLOAD_TYPES", ["a/b", "c/d"])


# ---- who is told that something went wrong ------------------------------------------------


GOOD_SECRET = "whsec_" + "QUJD" * 8  # 24 bytes


@pytest.mark.parametrize(
    ("name", "read", "good", "bad", "says"),
    [
        (
            "ALERT_EMAILS", env.mailboxes, "a@b.example, c@d.example",
            ["a", "a@", "a@b c@d", "Ada <a@b.example>"],
            "ALERT_EMAILS must be e-mail addresses, separated by commas.",
        ),
        (
            "HEARTBEAT_URL", env.address, "https://hc.example/uuid",
            [
                *("hc.example", "ftp://hc.example", "https://", "https://h:0/"),
                *("http://[::1/", "http://a b/"),
            ],
            "HEARTBEAT_URL must be an address: https://host/path.",
        ),
        (
            "SENTRY_DSN", env.dsn, "https://key@o1.sentry.example/42",
            ["https://o1.sentry.example/42", "https://key@o1.sentry.example/", "marker"],
            "SENTRY_DSN must be a Sentry DSN: https://key@host/project.",
        ),
        (
            "METRICS_TOKEN", lambda name: env.token(name, least=20), "t" * 20,
            ["t" * 19, "t" * 20 + " t", "ü" * 20],
            "METRICS_TOKEN must be at least 20 characters of ASCII, without spaces.",
        ),
        (
            "LOG_FORMAT", lambda name: env.choice(name, "plain", ("plain", "json")), "json",
            ["JSON", "marker"],
            "LOG_FORMAT must be plain or json.",
        ),
        (
            "ALERT_WEBHOOK_SECRET",
            lambda name: env.signing_secret(name, needed_by="ALERT_WEBHOOK_URL"), GOOD_SECRET,
            ["whsec_", GOOD_SECRET[6:], "whsec_marker!", "whsec_QUJD", "whsec_" + "QUJD" * 22],
            "ALERT_WEBHOOK_SECRET must be whsec_ and 24 to 64 random bytes in base64; "
            "ALERT_WEBHOOK_URL needs it.",
        ),
    ],
)  # fmt: skip
def test_what_alerts_need_is_checked(
    monkeypatch: pytest.MonkeyPatch, name: str, read: Any, good: str, bad: list[str], says: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    assert read(name) in ("", [], "plain")
    monkeypatch.setenv(name, good)
    assert read(name) in (good, good.split(", "))
    for wrong in bad:
        monkeypatch.setenv(name, wrong)
        with pytest.raises(ImproperlyConfigured) as refused:
            read(name)
        assert str(refused.value) == says


def test_a_webhook_is_never_sent_without_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "https://hooks.example")
    monkeypatch.delenv("ALERT_WEBHOOK_SECRET", raising=False)
    with pytest.raises(ImproperlyConfigured, match="ALERT_WEBHOOK_URL needs it"):
        env.signing_secret("ALERT_WEBHOOK_SECRET", needed_by="ALERT_WEBHOOK_URL")
