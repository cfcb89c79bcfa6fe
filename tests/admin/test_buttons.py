"""A button on a row's own page … does to that row what the list's action does."""

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.fieldwork.models import WorkOrder
from apps.firms.models import Firm, User
from tests.admin.visiting import address
from tests.admin.world import everything
from tests.factories import WorkOrderFactory

LABEL = "fieldwork.workorder"


@pytest.fixture
def order(ours: Firm) -> WorkOrder:
    made: WorkOrder = WorkOrderFactory(firm=ours, status="ASSIGNED", number="JOB-000123")
    return made


def buttons(client: Client, order: WorkOrder) -> list[str]:
    page = BeautifulSoup(client.get(address(LABEL, "change", order.pk)).content, "html.parser")
    return [one.get_text(strip=True) for one in page.select(".row-buttons .button")]


def test_is_there_for_what_can_be_done_now(desk: Client, order: WorkOrder) -> None:
    assert buttons(desk, order) == [
        "Start", "Complete", "Give to a contractor", "Add a note", "Put on hold", "Take back",
        "Cancel", "Record an estimate",
    ]  # fmt: skip


def test_is_there_only_for_who_may_press_it(
    desk: Client, alice: User, order: WorkOrder
) -> None:
    alice.groups.clear()
    alice.user_permissions.set(Permission.objects.filter(codename="view_workorder"))
    assert buttons(desk, order) == []
    before = everything()
    where = address(LABEL, "press", order.pk)
    assert desk.post(where, {"action": "start"}).status_code == 404
    assert everything() == before


def test_does_it_and_shows_the_page_again(desk: Client, order: WorkOrder) -> None:
    answer = desk.post(address(LABEL, "press", order.pk), {"action": "start"}, follow=True)
    assert answer.redirect_chain == [(address(LABEL, "change", order.pk), 302)]
    assert [str(one) for one in answer.context["messages"]] == ["1 work order started."]
    order.refresh_from_db()
    assert order.status == "IN_PROGRESS"


def test_asks_in_between_and_leads_back(desk: Client, order: WorkOrder) -> None:
    where, page = (address(LABEL, what, order.pk) for what in ("press", "change"))
    asked = BeautifulSoup(desk.post(where, {"action": "hold"}).content, "html.parser")
    [back] = asked.select("a.closelink")
    assert back["href"] == page
    typed = {"action": "hold", "confirmed": "yes", "reason": "Parts"}
    assert desk.post(where, typed)["Location"] == page
    order.refresh_from_db()
    assert order.status == "ON_HOLD"


def test_of_the_list_leads_back_to_the_list(desk: Client, order: WorkOrder) -> None:
    where = address(LABEL, "changelist")
    pressed = {"action": "hold", "_selected_action": [order.pk]}
    asked = BeautifulSoup(desk.post(where, pressed).content, "html.parser")
    assert [link["href"] for link in asked.select("a.closelink")] == [where]


@pytest.mark.parametrize("action", ["start", "hold", "delete_selected", "no_such", ""])
def test_touches_nothing_of_another_firm(desk: Client, theirs: Firm, action: str) -> None:
    order = WorkOrderFactory(firm=theirs, status="ASSIGNED")
    before = everything()
    typed = {"action": action, "confirmed": "yes", "reason": "Mischief"}
    assert desk.post(address(LABEL, "press", order.pk), typed).status_code == 404
    assert everything() == before


def test_is_pressed_and_never_followed(desk: Client, order: WorkOrder) -> None:
    assert desk.get(address(LABEL, "press", order.pk), {"action": "start"}).status_code == 405


def test_asks_strangers_to_sign_in(client: Client, order: WorkOrder) -> None:
    answer = client.post(address(LABEL, "press", order.pk), {"action": "start"})
    assert answer["Location"].startswith(reverse("admin:login"))
