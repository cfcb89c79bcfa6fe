"""Operators see alerts and take them on; a firm's staff see none."""

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.firms.models import User
from apps.firms.rights import staff_group
from apps.monitoring.models import Alert
from tests.factories import FirmFactory, MembershipFactory, UserFactory
from tests.monitoring.watching import JOB, NOW

pytestmark = pytest.mark.django_db

LIST = "admin:monitoring_alert_changelist"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator() -> Client:
    return signed_in(UserFactory(username="ada", is_staff=True, is_superuser=True))


def press(client: Client, *alerts: Alert) -> list[str]:
    data = {"action": "acknowledge", "_selected_action": [alert.pk for alert in alerts]}
    page = client.post(reverse(LIST), data, follow=True)
    soup = BeautifulSoup(page.content, "html.parser")
    return [one.get_text(strip=True) for one in soup.select(".messagelist li")]


def make_alert(kind: str = "failed", **fields: object) -> Alert:
    return Alert.objects.create(
        **{"kind": kind, "job": JOB, "text": "It failed.", "opened_at": NOW, "seen_at": NOW}
        | fields
    )


def test_takes_on_what_is_open_and_says_what_was_not(operator: Client) -> None:
    failed, late = make_alert(), make_alert("late", recovered_at=NOW)
    assert press(operator, failed, late) == [
        "1 alert acknowledged, 1 skipped: Late: greet_contacts is over already."
    ]
    failed.refresh_from_db()
    assert failed.acknowledged_by is not None
    assert failed.acknowledged_by.username == "ada"
    assert AuditEvent.objects.get().actor == failed.acknowledged_by


def test_shows_what_to_look_at_and_how_it_stands(operator: Client) -> None:
    ada = User.objects.get(username="ada")
    make_alert(run_number=7)
    make_alert("late", schedule_number=3, scope="schedule 3", acknowledged_at=NOW)
    make_alert("no_cluster", job="", recovered_at=NOW)
    make_alert("partial", acknowledged_at=NOW, acknowledged_by=ada)
    soup = BeautifulSoup(operator.get(reverse(LIST)).content, "html.parser")
    shown = [
        (row.select_one(".field-where").get_text(), row.select_one(".field-state").get_text())
        for row in soup.select("#result_list tbody tr")
    ]
    assert shown == [
        ("runs", "acknowledged by ada"),
        ("runs", "over since 2025-03-31 12:30 UTC"),
        ("schedule 3", "acknowledged by somebody"),
        ("run #7", "open"),
    ]
    links = [link["href"] for link in soup.select(".field-where a")]
    assert links[3].endswith("/admin/console/runs/7/")
    for alert in Alert.objects.all():
        page = reverse("admin:monitoring_alert_change", args=[alert.pk])
        assert operator.get(page).status_code == 200


def test_is_read_only(operator: Client) -> None:
    alert = make_alert()
    for page in ("change", "delete"):
        url = reverse(f"admin:monitoring_alert_{page}", args=[alert.pk])
        assert operator.post(url, {"text": "x", "post": "yes"}).status_code == 403
    assert operator.get(reverse("admin:monitoring_delivery_changelist")).status_code == 200


def test_shows_nothing_to_the_staff_of_a_firm() -> None:
    user = MembershipFactory(firm=FirmFactory()).user
    user.groups.add(staff_group())
    assert signed_in(user).get(reverse(LIST)).status_code == 403


def test_lets_whoever_may_only_look_acknowledge_nothing() -> None:
    viewer = UserFactory(is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_alert"))
    alert = make_alert()
    client = signed_in(viewer)
    assert client.get(reverse(LIST)).status_code == 200
    press(client, alert)
    alert.refresh_from_db()
    assert alert.acknowledged_at is None
