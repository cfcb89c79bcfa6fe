"""Searching what SQL cannot: pickles, signed packages, sessions and the bodies of webhooks."""

import json
import pickle
from base64 import b64encode
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Model
from django.utils import timezone
from django_q.models import OrmQ, Task
from django_q.signing import SignedPackage
from pytest_django import Settings

from apps.core.personal import holdings, read_text
from apps.webhooks.models import WebhookEvent
from tests.factories import WebhookEventFactory

pytestmark = pytest.mark.django_db

NAME = "Zoë Zimmermann"


def keys(table: type[Model], name: str = NAME) -> list[Any]:
    """Return the keys of the rows in which somebody is found."""
    page = next(page for page in holdings() if page.model is table)
    assert page.search
    return sorted(page.search(lambda text: name in text))


def task(key: str, **columns: Any) -> str:
    row = {"name": key, "func": "apps.jobs.queue.canary", "started": timezone.now()}
    Task.objects.create(id=key, stopped=timezone.now(), **row | columns)
    return key


@pytest.fixture(autouse=True)
def others() -> None:
    task("other", args=("Somebody else",), result={"of": "Somebody else"})
    OrmQ.objects.create(key="nightshift", payload=SignedPackage.dumps({"args": ("nobody",)}))
    store = SessionStore()
    store["said"] = "Somebody else was changed."
    store.create()
    WebhookEventFactory(raw_body=b'{"name": "Somebody else"}')


def test_finds_tasks_by_their_arguments_their_result_and_their_name() -> None:
    found = [
        task("by-args", args=(1, [NAME])),
        task("by-group", group=f"for {NAME}"),
        task("by-kwargs", kwargs={"of": {"name": NAME}}),
        task("by-name", name=f"hello {NAME}"),
        task("by-result", result=f"KeyError : Traceback … '{NAME}' in a list"),
    ]
    assert keys(Task) == found


def overwrite_result(key: str, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_task SET result = %s WHERE id = %s", [text, key])


def test_finds_tasks_whose_pickle_cannot_be_loaded() -> None:
    whole = b64encode(pickle.dumps([NAME, "and much more"])).decode()
    overwrite_result(task("cut"), whole[:-20])
    overwrite_result(task("plain"), f"not even base64: {NAME}")
    assert keys(Task) == ["cut", "plain"]


class Bomb:
    """Does something when it is unpickled."""

    went_off = False

    def __reduce__(self) -> Any:
        return (setattr, (Bomb, "went_off", True))


def test_loads_no_pickle() -> None:
    overwrite_result(task("bomb"), b64encode(pickle.dumps((Bomb(), NAME))).decode())
    assert keys(Task) == ["bomb"]
    assert not Bomb.went_off
    assert Task.objects.get(pk="bomb").result == (None, NAME)
    assert Bomb.went_off


def test_lets_tasks_go_without_loading_them() -> None:
    task("goes", result=NAME)
    page = next(page for page in holdings() if page.model is Task)
    assert page.erase
    assert page.erase(Task.objects.filter(pk__in=keys(Task))) == 1
    assert list(Task.objects.values_list("pk", flat=True)) == ["other"]


@pytest.mark.parametrize("compressed", [False, True])
def test_finds_packages_that_wait_in_the_queue(compressed: bool) -> None:
    payload = SignedPackage.dumps({"kwargs": {"to": NAME, "much": "x" * 999}}, compressed)
    row = OrmQ.objects.create(key="nightshift", payload=payload)
    assert keys(OrmQ) == [row.pk]


@pytest.mark.parametrize("length", [len(NAME), ord("0"), ord("A"), ord("z")])
def test_finds_a_string_whatever_its_length_looks_like(length: int) -> None:
    """In a pickle the length stands right before the string; 48 is the digit 0."""
    said = NAME.ljust(length, ".")
    row = OrmQ.objects.create(key="a", payload=SignedPackage.dumps({"args": (said,)}))
    task("goes", result=said)
    assert (keys(OrmQ), keys(Task)) == ([row.pk], ["goes"])


def test_reads_what_only_looks_like_a_pickle_as_it_is() -> None:
    """``S`` would begin a quoted string in one, whose escapes Python warns of."""
    assert read_text(b"S'\\\xc2\xb9'\n" + NAME.encode()) == f"S'\\¹'\n{NAME}"
    assert read_text(b"\x80\x04 is cut off " + NAME.encode()).endswith(NAME)


def test_finds_packages_that_a_former_key_signed_and_some_that_nobody_did() -> None:
    row = OrmQ.objects.create(key="a", payload=SignedPackage.dumps([NAME])[:-3] + "xxx")
    bare = OrmQ.objects.create(key="a", payload=f"hello {NAME}")
    OrmQ.objects.create(key="a", payload=".no zlib")
    assert keys(OrmQ) == [row.pk, bare.pk]


@pytest.fixture
def session() -> SessionStore:
    store = SessionStore()
    store["_messages"] = f"The contact “{NAME}” was changed." * 30
    store.create()
    return store


def test_finds_sessions_in_which_a_message_waits(session: SessionStore) -> None:
    assert keys(Session) == [session.session_key]


def test_finds_sessions_that_a_former_key_signed(
    session: SessionStore, settings: Settings
) -> None:
    settings.SECRET_KEY = "another" * 10
    assert keys(Session) == [session.session_key]


@pytest.mark.parametrize(
    "parts",
    [
        {"raw_body": json.dumps({"of": [NAME]}).encode()},  # with escapes: Zo\u00eb
        {"raw_body": json.dumps({"of": [NAME]}, ensure_ascii=False).encode()},
        {"raw_body": b"\xff no JSON: " + NAME.encode()},
        {"raw_body": b"[" * 99_999 + NAME.encode()},
        {"headers": {"From": NAME}},
        {"error": f"No account of {NAME}"},
    ],
)
def test_finds_webhook_events(parts: dict[str, Any]) -> None:
    event = WebhookEventFactory(**parts)
    assert keys(WebhookEvent) == [event.pk]
