"""Who may come to the page on which an invoice is paid, and what is told of it."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from apps.billing.models import Invoice
from apps.core.logs import DiscreetFormatter
from sandbox import Sandbox
from tests.billing.ledger import pay
from tests.billing.paying import (
    KEY,
    an_invoice,
    card_path,
    heading,
    open_gateway,
    pay_path,
)
from tests.factories import MembershipFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

NOW = datetime(2025, 3, 1, 17, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Any:
    cache.clear()
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.mark.parametrize("name", ["pay", "thanks", "cancelled"])
@pytest.mark.parametrize("token", ["x", "1", "é" * 10, "a" * 2_000, "MQ:1tq:abc"])
def test_an_unknown_link_leads_nowhere(client: Client, name: str, token: str) -> None:
    an_invoice()
    response = client.get(reverse(f"billing:{name}", args=[token]))
    assert (response.status_code, heading(response)) == (404, "This link leads nowhere")


def test_works_for_thirty_days(client: Client, sandbox: Sandbox, clock: Any) -> None:
    path = pay_path(an_invoice(sandbox))
    clock.shift(timedelta(days=30))
    assert client.get(path).status_code == 200
    clock.shift(1)
    assert client.get(path).status_code == 404


def test_a_link_to_store_a_card_does_not_show_an_invoice(
    client: Client, sandbox: Sandbox
) -> None:
    invoice = an_invoice(sandbox)
    token = card_path(invoice.account).split("/")[2]
    for name in ("pay", "thanks", "cancelled"):
        assert client.get(reverse(f"billing:{name}", args=[token])).status_code == 404


def test_a_link_opens_its_own_invoice_only_also_for_staff_of_another_firm(
    client: Client, sandbox: Sandbox
) -> None:
    invoice, theirs = an_invoice(sandbox), an_invoice(number="THEIRS-1")
    client.force_login(MembershipFactory(firm=theirs.firm).user)
    assert b"THEIRS-1" not in client.get(pay_path(invoice)).content
    assert client.get(f"/pay/{theirs.pk}/").status_code == 404


@pytest.mark.parametrize(
    ("state", "status"),
    [("open", 200), ("paid", 200), ("unknown", 404), ("void", 409), ("put", 405)],
)
def test_every_answer_is_discreet(
    client: Client, sandbox: Sandbox, state: str, status: int
) -> None:
    invoice = an_invoice(sandbox)
    if state == "paid":
        pay(invoice.account, 100_000, invoices=[invoice])
    if state == "void":
        Invoice.objects.filter(pk=invoice.pk).update(status="void")
    path = "/pay/x/" if state == "unknown" else pay_path(invoice)
    response = client.put(path) if state == "put" else client.get(path)
    assert response.status_code == status
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Robots-Tag"] == "noindex"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; "
        f"form-action 'self' https: {sandbox.url}; base-uri 'none'; frame-ancestors 'none'"
    )
    assert not response.cookies


def test_in_production_forms_lead_to_encrypted_pages_only(
    client: Client, settings: Any
) -> None:
    settings.STRIPE_API = "https://api.stripe.com"
    policy = client.get("/pay/x/")["Content-Security-Policy"]
    assert "form-action 'self' https:; " in policy


def test_slows_down_who_asks_too_often(client: Client, sandbox: Sandbox) -> None:
    path = pay_path(an_invoice(sandbox))
    for _ in range(60):
        assert client.get("/pay/x/").status_code == 404
    response = client.get(path)
    assert (response.status_code, response["Retry-After"]) == (429, "60")
    assert heading(response) == "Too many requests"
    assert client.get(path, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_slows_down_who_presses_too_often(client: Client, sandbox: Sandbox) -> None:
    path = pay_path(an_invoice(sandbox))
    for _ in range(10):
        assert client.post(path).status_code == 302
    assert client.post(path).status_code == 429
    assert client.get(path).status_code == 200


def test_no_log_line_has_the_token(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    invoice = an_invoice()
    with caplog.at_level(logging.INFO):
        client.post(pay_path(invoice))
    lines = [DiscreetFormatter().format(record) for record in caplog.records]
    assert lines == ["Conflict: /pay/…/"]


def test_the_neighbours_gateway_is_never_asked(client: Client, sandbox: Sandbox) -> None:
    invoice, theirs = an_invoice(sandbox), an_invoice()
    open_gateway(theirs.firm, sandbox, key="sk_test_neighbour")
    client.post(pay_path(invoice))
    assert {call.account for call in sandbox.requests} == {sandbox.stripe.accounts[KEY].id}
