"""A second factor …"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from apps.access import services
from apps.access.models import Authenticator, BackupCode
from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.firms.models import Role, User, UserSession
from tests.factories import (
    PASSWORD,
    AuthenticatorFactory,
    FirmFactory,
    MembershipFactory,
    SubscriptionFactory,
    UserFactory,
    code_of,
)

pytestmark = pytest.mark.django_db

OVERVIEW = "/admin/second-factor/"
SET_UP = f"{OVERVIEW}set-up/"
CODE = f"{OVERVIEW}code/"
NOW = datetime(2025, 6, 10, 9, 0, tzinfo=UTC)
WRONG = "This code is not right. Codes are new every 30 seconds, and each works once."


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ada(client: Client) -> User:
    """Somebody at work whose password was right, and who has no second factor."""
    user: User = MembershipFactory(user__username="ada").user
    client.force_login(user)
    return user


@pytest.fixture
def phone(ada: User, clock: Any) -> Authenticator:
    """The same person's phone."""
    authenticator: Authenticator = AuthenticatorFactory(user=ada)
    return authenticator


def told() -> list[str]:
    """What the audit trail says, in order."""
    events = AuditEvent.objects.filter(object_type="firms.user").order_by("pk")
    return [f"{one.action} by {one.actor_label}" for one in events]


def codes_on(page: Any) -> list[str]:
    return re.findall(r"<li><code>([a-z2-7]{5}-[a-z2-7]{5})</code>", page.content.decode())


# ---- set up -----------------------------------------------------------------------------


def test_is_set_up_with_a_picture_and_a_code_and_gives_backup_codes_once(
    client: Client, ada: User, clock: Any
) -> None:
    before = client.session.session_key
    assert "Second factor</a>" in client.get("/admin/").content.decode()
    answer = client.post(f"{OVERVIEW}begin/")
    assert answer["Location"] == SET_UP
    made = Authenticator.objects.get(user=ada)
    page = client.get(SET_UP)
    assert not made.confirmed
    assert b"<title>QR code</title>" in page.content
    assert not re.search(r"style=|<script>|<style", page.content.decode())
    assert page["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    assert "default-src 'self'" in page["Content-Security-Policy"]

    assert WRONG in client.post(SET_UP, {"code": "000000"}).content.decode()
    assert client.get("/admin/").status_code == 200  # nothing has changed yet
    clock.shift(timedelta(seconds=2))
    page = client.post(SET_UP, {"code": code_of(made)})
    codes = codes_on(page)
    assert len(set(codes)) == 10
    assert BackupCode.objects.filter(authenticator=made).count() == 10
    assert client.get("/admin/").status_code == 200  # this session has shown it
    assert client.session.session_key != before
    assert UserSession.objects.get(user=ada).session_key == client.session.session_key
    overview = client.get(OVERVIEW).content.decode()
    assert "You have 10 backup codes left." in overview
    assert codes[0] not in overview
    assert told() == ["second_factor_turned_on by ada"]


def test_is_stored_encrypted_and_its_backup_codes_as_hashes(ada: User, clock: Any) -> None:
    made = services.begin_second_factor(user=ada)
    _, codes = services.confirm_second_factor(user=ada, code=code_of(made))
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM access_authenticator")
        (stored,) = cursor.fetchone()
        cursor.execute("SELECT digest FROM access_backupcode")
        digests = {digest for (digest,) in cursor.fetchall()}
    assert made.secret["key"] not in stored
    assert "key" not in stored
    assert not digests & {code.replace("-", "") for code in codes}
    assert repr(made.secret) == "<secrets: key>"


def test_cannot_be_set_up_over_one_that_is_on(client: Client, phone: Authenticator) -> None:
    with pytest.raises(Problem, match="on already"):
        services.begin_second_factor(user=phone.user)
    assert client.post(f"{OVERVIEW}begin/").status_code == 403
    assert Authenticator.objects.get().secret == phone.secret


# ---- asked for --------------------------------------------------------------------------


def test_is_asked_for_before_any_page_and_then_goes_on_to_it(
    client: Client, phone: Authenticator
) -> None:
    assert client.get("/admin/firms/firm/")["Location"] == f"{CODE}?next=/admin/firms/firm/"
    answer = client.post("/admin/firms/firm/add/", {"name": "x"})
    assert (answer.status_code, answer.content) == (
        403,
        b"Type the code of your second factor first.",
    )
    for page in (OVERVIEW, f"{OVERVIEW}off/", "/admin/password_change/", "/", SET_UP):
        assert client.get(page)["Location"] == f"{CODE}?next={page}"
    page = client.get(f"{CODE}?next=/admin/firms/firm/")
    assert 'value="/admin/firms/firm/"' in page.content.decode()
    before = client.session.session_key
    answer = client.post(CODE, {"code": code_of(phone), "next": "/admin/firms/firm/"})
    assert answer["Location"] == "/admin/firms/firm/"
    assert client.session.session_key != before
    assert client.get("/admin/").status_code == 200


def test_does_not_send_anybody_to_another_site(client: Client, phone: Authenticator) -> None:
    data = {"code": code_of(phone), "next": "https://elsewhere.example/"}
    assert client.post(CODE, data)["Location"] == "/admin/"


def test_is_asked_for_at_the_owners_door_too(client: Client) -> None:
    subscription = SubscriptionFactory()
    owner = MembershipFactory(
        firm=subscription.firm, user__is_staff=False, roles=[Role.OWNER]
    ).user
    phone = AuthenticatorFactory(user=owner)
    page = reverse("subscriptions:page", args=[subscription.pk])
    data = {"username": owner.username, "password": PASSWORD, "next": page}
    answer = client.post(reverse("subscriptions:sign-in"), data, follow=True)
    assert [where for where, _ in answer.redirect_chain] == [page, f"{CODE}?next={page}"]
    answer = client.post(CODE, {"code": code_of(phone), "next": page}, follow=True)
    assert b"Your subscription" in answer.content


def test_may_be_left_alone_by_signing_out(client: Client, phone: Authenticator) -> None:
    assert client.post(reverse("admin:logout")).status_code == 200
    assert "_auth_user_id" not in client.session


def test_lets_a_code_in_once(client: Client, phone: Authenticator) -> None:
    code = code_of(phone)
    assert client.post(CODE, {"code": code}).status_code == 302
    other = Client()
    other.force_login(phone.user)
    assert WRONG in other.post(CODE, {"code": code}).content.decode()


def test_takes_the_code_of_a_clock_that_is_off_by_a_step(
    client: Client, phone: Authenticator, clock: Any
) -> None:
    code = code_of(phone)
    clock.shift(timedelta(seconds=30))
    assert client.post(CODE, {"code": f"{code[:3]} {code[3:]}"}).status_code == 302


def test_makes_who_guesses_wait_longer_each_time(
    client: Client, phone: Authenticator, clock: Any
) -> None:
    for wait in (1, 2, 4):
        assert WRONG in client.post(CODE, {"code": "123456"}).content.decode()
        refused = client.post(CODE, {"code": code_of(phone)}).content.decode()
        assert f"Too many wrong codes: try again in {wait} second" in refused
        clock.shift(timedelta(seconds=wait))
    assert client.post(CODE, {"code": code_of(phone)}).status_code == 302
    assert Authenticator.objects.get().throttling_failure_count == 0


@pytest.mark.parametrize("typed", ["", "12345", "١٢٣٤٥٦", "abcde-fghij", "x" * 21, "-1e+99"])
def test_takes_nothing_else(client: Client, phone: Authenticator, typed: str) -> None:
    assert client.post(CODE, {"code": typed}).status_code == 200
    assert client.get("/admin/").status_code == 302


def test_lets_in_with_a_backup_code_once(client: Client, phone: Authenticator) -> None:
    codes = services.renew_backup_codes(user=phone.user, code=code_of(phone))
    assert client.post(CODE, {"code": codes[3].upper()}).status_code == 302
    assert phone.backup_codes.count() == 9
    other = Client()
    other.force_login(phone.user)
    assert WRONG in other.post(CODE, {"code": codes[3]}).content.decode()
    assert told() == ["backup_codes_renewed by ada", "backup_code_used by ada"]


def test_of_somebody_else_is_no_use(client: Client, phone: Authenticator, clock: Any) -> None:
    neighbour = MembershipFactory(user__username="bob").user
    theirs = AuthenticatorFactory(user=neighbour, secret={"key": "ab" * 20})
    backup = services.renew_backup_codes(user=neighbour, code=code_of(theirs))
    assert WRONG in client.post(CODE, {"code": code_of(theirs)}).content.decode()
    clock.shift(timedelta(seconds=2))
    assert WRONG in client.post(CODE, {"code": backup[0]}).content.decode()
    assert theirs.backup_codes.count() == 10


def test_costs_a_page_one_query_more(client: Client, phone: Authenticator) -> None:
    """That of the device; how it stands with the factor comes with the person."""
    client.post(CODE, {"code": code_of(phone)})
    client.get("/admin/")
    with CaptureQueriesContext(connection) as spent:
        client.get("/admin/")
    statements = [query["sql"] for query in spent]
    assert sum(sql.startswith('SELECT "access_') for sql in statements) == 1
    assert sum("access_" in sql for sql in statements) == 2


# ---- changed and given up ---------------------------------------------------------------


def test_gives_new_backup_codes_for_a_code(
    client: Client, phone: Authenticator, clock: Any
) -> None:
    client.post(CODE, {"code": code_of(phone)})
    answer = client.post(f"{OVERVIEW}backup-codes/", {"code": "123456"}, follow=True)
    assert WRONG in answer.content.decode()
    clock.shift(timedelta(seconds=30))
    new = codes_on(client.post(f"{OVERVIEW}backup-codes/", {"code": code_of(phone)}))
    assert len(new) == phone.backup_codes.count() == 10


def test_is_turned_off_with_a_code(client: Client, phone: Authenticator, clock: Any) -> None:
    client.post(CODE, {"code": code_of(phone)})
    assert "Type a code." in client.post(f"{OVERVIEW}off/", follow=True).content.decode()
    clock.shift(timedelta(seconds=30))
    answer = client.post(f"{OVERVIEW}off/", {"code": code_of(phone)}, follow=True)
    assert "Your second factor is off." in answer.content.decode()
    assert not Authenticator.objects.exists()
    assert client.get("/admin/").status_code == 200
    assert told() == ["second_factor_turned_off by ada"]


def test_outlives_a_new_password(client: Client, phone: Authenticator) -> None:
    client.post(CODE, {"code": code_of(phone)})
    new = "a-longer-battery-horse"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/admin/password_change/", data).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_comes_before_a_password_that_must_be_changed(
    client: Client, phone: Authenticator
) -> None:
    User.objects.filter(pk=phone.user_id).update(must_change_password=True)
    assert client.get("/admin/")["Location"] == f"{CODE}?next=/admin/"
    answer = client.post(CODE, {"code": code_of(phone), "next": "/admin/"}, follow=True)
    assert answer.redirect_chain[-1][0] == "/admin/password_change/?next=/admin/"


def test_is_reset_by_an_operator(ada: User, phone: Authenticator, capsys: Any) -> None:
    call_command("reset_second_factor", "ada", reason="Called back on the number we had")
    assert capsys.readouterr().out == "The second factor of ada is off.\n"
    event = AuditEvent.objects.get(action="second_factor_reset")
    assert (event.object_id, event.reason) == (str(ada.pk), "Called back on the number we had")
    with pytest.raises(CommandError, match="ada has no second factor"):
        call_command("reset_second_factor", "ada")
    with pytest.raises(CommandError, match="Nobody is called 'eve'"):
        call_command("reset_second_factor", "eve")


# ---- required ---------------------------------------------------------------------------


def test_is_required_by_a_firm_of_its_people_only(client: Client, ada: User) -> None:
    other = FirmFactory()
    other.settings.require_second_factor = True
    other.settings.save()
    assert client.get("/admin/").status_code == 200
    MembershipFactory(firm=other, user=ada, roles=[Role.CLIENT])  # no work in the admin
    assert client.get("/admin/").status_code == 200
    theirs = ada.memberships.exclude(firm=other).get().firm
    theirs.settings.require_second_factor = True
    theirs.settings.save()
    assert client.get("/admin/firms/firm/")["Location"] == f"{OVERVIEW}?next=/admin/firms/firm/"
    assert client.post("/admin/firms/firm/add/").content == b"Set up your second factor first."
    assert b"You are required to have a second factor" in client.get(OVERVIEW).content
    client.post(f"{OVERVIEW}begin/")
    assert client.get(SET_UP).status_code == 200
    made = Authenticator.objects.get()
    assert len(codes_on(client.post(SET_UP, {"code": code_of(made)}))) == 10
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("setting", "who", "asked"),
    [
        ("nobody", {"is_superuser": True}, False),
        ("superusers", {"is_superuser": True}, True),
        ("superusers", {}, False),
        ("staff", {}, True),
        ("staff", {"is_staff": False}, False),
    ],
)
def test_is_required_by_the_platform_of(
    settings: Settings, setting: str, who: dict[str, bool], asked: bool
) -> None:
    settings.REQUIRE_SECOND_FACTOR = setting
    user = UserFactory(**{"is_staff": True, **who})
    assert services.standing(user=user).must is asked


def test_waits_for_a_new_password_where_none_is_set_up(client: Client, ada: User) -> None:
    ada.memberships.get().firm.settings.__class__.objects.update(require_second_factor=True)
    User.objects.update(must_change_password=True)
    assert client.get("/admin/")["Location"] == "/admin/password_change/?next=/admin/"
    new = "a-longer-battery-horse"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    answer = client.post("/admin/password_change/?next=/admin/", data, follow=True)
    assert answer.redirect_chain[-1][0] == f"{OVERVIEW}?next=/admin/"
