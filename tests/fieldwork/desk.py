"""An office at its desk: pressing the list's actions, and what the page then says."""

from typing import Any

from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from tests.admin.test_billing_actions import press, said

ORDERS = reverse("admin:fieldwork_workorder_changelist")
ESTIMATES = reverse("admin:fieldwork_estimate_changelist")
CONTRACTORS = reverse("admin:fieldwork_contractorprofile_changelist")
PAPERS = reverse("admin:fieldwork_compliancedocument_changelist")
REQUESTS = reverse("admin:fieldwork_payoutrequest_changelist")


def tell(client: Client, where: str, action: str, *rows: Any, **typed: Any) -> str:
    """Press an action, fill in what it asks for, and return the sentence that comes back."""
    how = {"confirmed": "yes", "reason": "Because"} | typed
    return said(press(client, where, action, *rows, **how))


def cells(client: Client, where: str, name: str, **query: str) -> list[str]:
    """Return a column of a list as people read it."""
    soup = BeautifulSoup(client.get(where, query).content, "html.parser")
    return [one.get_text(" ", strip=True) for one in soup.select(f".field-{name}")]


def errors(answer: Any) -> str:
    """Return what a form complains of."""
    assert answer.status_code == 200
    return str(answer.context["errors"])
