"""Read settings from the environment; a bad value stops the start with a sentence.

django-environ does the reading and the URL parsing. These verbs add what it leaves to the
caller: every mistake names the variable and what it takes, and never repeats a secret.
"""

import base64
import os
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

_env = environ.Env()

_MAILBOX = re.compile(r"[^\s@,<>]+@[^\s@,<>]+")
_DSN_PROJECT = re.compile(r"/\d+$")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}")


def text(name: str, default: str = "") -> str:
    """The variable as it stands."""
    return str(_env.str(name, default=default))


def truth(name: str, default: bool) -> bool:
    """One of true/false, yes/no, on/off, 1/0, in any case."""
    raw = os.environ.get(name, "").strip().lower()
    if raw == "":
        return default
    if raw in {"1", "true", "yes", "on", "y", "t"}:
        return True
    if raw in {"0", "false", "no", "off", "n", "f"}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false.")


def whole(name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
    """A whole number of at least ``least``, and at most ``most``."""
    try:
        value = int(_env.int(name, default=default))
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number.") from None
    if value < least:
        raise ImproperlyConfigured(f"{name} must be at least {least}.")
    if most is not None and value > most:
        raise ImproperlyConfigured(f"{name} must be at most {most}.")
    return value


def number(name: str, default: float, *, above: float = 0.0) -> float:
    """A number above ``above``, in the unit the setting names."""
    try:
        value = float(_env.float(name, default=default))
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number.") from None
    if value <= above:
        raise ImproperlyConfigured(f"{name} must be greater than {above:g}.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A list separated by commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def pairs(name: str) -> dict[str, str]:
    """Words with what each stands for, separated by commas: ``one=that,two=this``."""
    found = {}
    for word in words(name):
        key, equals, value = word.partition("=")
        if not (key and equals and value):
            raise ImproperlyConfigured(f"{name} must be name=value, separated by commas.")
        found[key.strip()] = value.strip()
    return found


def some(name: str, known: Sequence[str]) -> list[str]:
    """Some of the words that are known, separated by commas; all of them by default."""
    chosen = words(name, ",".join(known))
    if not chosen or not set(chosen) <= set(known):
        raise ImproperlyConfigured(f"{name} must be some of {', '.join(known)}.")
    return chosen


def choice(name: str, default: str, known: Sequence[str]) -> str:
    """One of the words that are known."""
    chosen = text(name, default)
    if chosen not in known:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(known)}.")
    return chosen


def mailboxes(name: str) -> list[str]:
    """E-mail addresses, separated by commas."""
    found = words(name)
    if not all(_MAILBOX.fullmatch(one) for one in found):
        raise ImproperlyConfigured(f"{name} must be e-mail addresses, separated by commas.")
    return found


def address(name: str) -> str:
    """An address that begins with http:// or https://; none by default."""
    value = text(name)
    if value and not _is_address(value):  # not repeated: whoever knows it may use it
        raise ImproperlyConfigured(f"{name} must be an address: https://host/path.")
    return value


def dsn(name: str) -> str:
    """A Sentry DSN, https://key@host/project; none by default."""
    value = text(name)
    if value and not (
        _is_address(value) and urlsplit(value).username and _DSN_PROJECT.search(value)
    ):
        raise ImproperlyConfigured(f"{name} must be a Sentry DSN: https://key@host/project.")
    return value


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and not re.search(r"\s", value)
        )
    except ValueError:
        return False


def signing_secret(name: str, *, needed_by: str) -> str:
    """A secret of Standard Webhooks, whsec_ and base64; needed when another setting is set."""
    value = text(name)
    if not value and not text(needed_by):
        return ""
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not value.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ImproperlyConfigured(
            f"{name} must be whsec_ and 24 to 64 random bytes in base64; {needed_by} needs it."
        )
    return value


def token(name: str, *, least: int) -> str:
    """A secret word of at least so many characters; none by default."""
    value = text(name)
    if value and (len(value) < least or not value.isascii() or re.search(r"\s", value)):
        raise ImproperlyConfigured(
            f"{name} must be at least {least} characters of ASCII, without spaces."
        )
    return value


def fernet_keys(name: str, default: str) -> list[str]:
    """One or more Fernet keys, separated by commas: ``Fernet.generate_key()`` makes one."""
    keys = words(name, default)
    try:
        for key in keys:
            Fernet(key)
    except ValueError:
        keys = []
    if not keys:
        raise ImproperlyConfigured(
            f"{name} must be one or more Fernet keys (44 characters of base64 each)."
        )
    return keys


def zone(name: str, default: str) -> str:
    """An IANA time zone such as Europe/London."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ImproperlyConfigured(f"{name} must be an IANA time zone.") from None
    return value


def database(name: str, default: str) -> dict[str, Any]:
    """A database URL: sqlite:///path or postgres://user:password@host:port/name."""
    try:
        config: dict[str, Any] = _env.db_url(name, default=default)
    except Exception:  # environ raises several kinds; the URL may hold a password
        raise ImproperlyConfigured(f"{name} is not a database URL.") from None
    if config.get("ENGINE") not in {
        "django.db.backends.sqlite3",
        "django.db.backends.postgresql",
    }:
        raise ImproperlyConfigured(f"{name} must start with sqlite:// or postgres://.")
    return config


def smtp(name: str, default: str) -> dict[str, Any]:
    """A mail URL: smtp://user:password@host:port, smtp+tls:// or smtp+ssl://."""
    try:
        config: dict[str, Any] = _env.email_url(name, default=default)
    except Exception:  # as above: the URL may hold a password
        raise ImproperlyConfigured(f"{name} is not a mail URL.") from None
    return config


def storage(name: str, default: str) -> dict[str, Any]:
    """A storage URL: file:///folder, or s3://key:secret@host:port/bucket?region=….

    Without key and secret, credentials are looked for where Amazon's tools look. Other
    options are ``addressing`` (path or virtual) and ``tls`` (on or off).
    """
    try:
        parts = urlsplit(text(name, default))
        if parts.scheme == "file":
            return _folder(parts)
        if parts.scheme == "s3":
            return _bucket(parts)
    except (ValueError, KeyError):  # as above: the URL may hold a secret
        pass
    raise ImproperlyConfigured(
        f"{name} must be file:///folder or s3://key:secret@host:port/bucket?region=name; "
        "in a secret, write / as %2F."
    )


def _folder(parts: SplitResult) -> dict[str, Any]:
    folder = os.path.normpath(unquote(parts.path))
    if parts.netloc or not os.path.isabs(folder) or parts.query or folder.strip("/") == "":
        raise ValueError
    return {"vendor": "folder", "folder": folder}


def _bucket(parts: SplitResult) -> dict[str, Any]:
    options = {"region": "us-east-1", "addressing": "path", "tls": "on"}
    asked = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    bucket = parts.path.removeprefix("/").removesuffix("/")
    if (
        not parts.hostname
        or parts.port == 0
        or not _BUCKET.fullmatch(bucket)
        or bool(parts.username) != bool(parts.password)
        or not asked.keys() <= options.keys()
        or not all(asked.values())
    ):
        raise ValueError
    options |= asked
    scheme = {"on": "https", "off": "http"}[options["tls"]]
    return {
        "vendor": "s3",
        "endpoint": f"{scheme}://{parts.netloc.rpartition('@')[2]}",
        "bucket": bucket,
        "region": options["region"],
        "addressing": {"path": "path", "virtual": "virtual"}[options["addressing"]],
        "access_key": unquote(parts.username or ""),
        "secret_key": unquote(parts.password or ""),
    }
