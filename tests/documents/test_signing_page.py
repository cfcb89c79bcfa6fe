"""The page behind a signing link."""

import logging
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from bs4 import BeautifulSoup
from django.core.cache import cache
from django.test import Client

from apps.core.logs import DiscreetFormatter
from apps.documents import services
from apps.documents.models import Document, SignatureRequest
from tests.documents.asking import NOW, address, ask
from tests.factories import ContactFactory, MembershipFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Any:
    cache.clear()
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def strict_client() -> Client:
    """Posts as a browser under no-referrer does: no CSRF cookie, ``Origin: null``."""
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


def page(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def heading(response: Any) -> str:
    title = page(response).h1
    assert title
    return title.get_text()


def form_of(client: Client, token: str) -> dict[str, str]:
    shown = page(client.get(address(token))).find("input", {"name": "shown"})
    assert shown
    return {"name": "Ada Lovelace", "consent": "on", "shown": shown["value"], "sign": "yes"}


def test_shows_the_document_and_notes_the_view(client: Client) -> None:
    _, token = ask()
    response = client.get(address(token))
    assert response.status_code == 200
    article = page(response).article
    assert article
    assert article.get_text() == "The renter rents the unit."
    assert SignatureRequest.objects.get().viewed_at == NOW


def test_escapes_what_firms_and_people_wrote(client: Client) -> None:
    _, token = ask()
    Document.objects.update(title="<script>alert(1)</script>")
    assert b"<script" not in client.get(address(token)).content


def test_a_head_request_notes_nothing(client: Client) -> None:
    _, token = ask()
    assert client.head(address(token)).status_code == 200
    assert SignatureRequest.objects.get().status == "pending"


def test_signs_and_thanks(strict_client: Client) -> None:
    _, token = ask()
    data = form_of(strict_client, token)
    response = strict_client.post(address(token), {**data, "name": "  Ada  Lovelace "})
    assert (response.status_code, response["Location"]) == (302, address(token))
    request = SignatureRequest.objects.get()
    assert (request.status, request.signed_name) == ("signed", "Ada Lovelace")
    thanks = strict_client.get(address(token))
    assert heading(thanks) == "Thank you, it is signed"
    assert request.signed_sha256 in thanks.content.decode()
    assert "10 June 2025, 08:00 (America/New_York)" in thanks.content.decode()


def test_declines(strict_client: Client) -> None:
    _, token = ask()
    strict_client.post(address(token), {"decline": "yes"})
    assert SignatureRequest.objects.get().status == "declined"
    assert heading(strict_client.get(address(token))) == "You declined to sign"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"consent": ""}, "Tick the box to sign."),
        ({"name": ""}, "Type your full name to sign."),
        ({"name": " . "}, "Type your full name to sign."),
        ({"name": "A" * 151}, "Ensure this value has at most 150 characters"),
    ],
)
def test_signs_nothing_without_a_name_and_consent(
    strict_client: Client, change: dict[str, str], says: str
) -> None:
    _, token = ask()
    data = {k: v for k, v in {**form_of(strict_client, token), **change}.items() if v}
    response = strict_client.post(address(token), data)
    assert says in response.content.decode()
    assert SignatureRequest.objects.get().signed_at is None


def test_signs_nothing_when_another_text_was_shown(strict_client: Client) -> None:
    _, token = ask()
    data = {**form_of(strict_client, token), "shown": "0" * 64}
    response = strict_client.post(address(token), data)
    assert (response.status_code, heading(response)) == (409, "This document has changed")
    assert SignatureRequest.objects.get().signed_at is None


def test_shows_no_text_that_lost_its_fingerprint(client: Client) -> None:
    _, token = ask()
    Document.objects.update(text="The renter owes everything.")
    response = client.get(address(token))
    assert response.status_code == 409
    assert b"everything" not in response.content


@pytest.mark.parametrize("method", ["get", "post"])
def test_refuses_an_old_link_before_the_job_has_run(client: Client, method: str) -> None:
    _, token = ask(at=NOW - timedelta(days=8))
    data = {"name": "Ada Lovelace", "consent": "on", "shown": "x"}
    response = getattr(client, method)(address(token), data)
    assert response.status_code == 410
    assert heading(response) == "This link has expired — request a new one"
    assert b"The renter rents" not in response.content
    assert SignatureRequest.objects.get().status == "pending"


def test_refuses_an_old_link_after_the_job_has_run(client: Client) -> None:
    _, token = ask(at=NOW - timedelta(days=8))
    services.expire_signing_links()
    assert client.get(address(token)).status_code == 410


def test_works_for_exactly_seven_days(client: Client, clock: Any) -> None:
    _, token = ask()
    clock.move_to(NOW + timedelta(days=7))
    assert client.get(address(token)).status_code == 200
    clock.shift(1)
    assert client.get(address(token)).status_code == 410


@pytest.mark.parametrize("token", ["x", "A" * 43, "é" * 10, "a" * 2000])
def test_an_unknown_link_leads_nowhere(client: Client, token: str) -> None:
    ask()
    response = client.get(address(token))
    assert (response.status_code, heading(response)) == (404, "This link leads nowhere")


def test_revoked_and_replaced_links_look_like_unknown_ones(client: Client) -> None:
    request, old = ask()
    _, token = ask(document=request.document, signer=request.signer)
    services.revoke(request=SignatureRequest.objects.get(), by=None, now=NOW)
    unknown = client.get(address("x"))
    for dead in (old, token):
        response = client.get(address(dead))
        assert (response.status_code, response.content) == (404, unknown.content)


def test_a_signed_page_shows_the_text_only_while_the_link_is_young(
    client: Client, clock: Any
) -> None:
    request, token = ask()
    services.sign(request=request, name="Ada Lovelace", now=NOW)
    assert b"The renter rents" in client.get(address(token)).content
    clock.shift(timedelta(days=20))
    response = client.get(address(token))
    assert response.status_code == 200
    assert b"The renter rents" not in response.content


def test_a_link_opens_its_own_document_only_also_for_staff_of_another_firm(
    client: Client,
) -> None:
    _, token = ask()
    theirs, _ = ask(signer=None)
    Document.objects.filter(pk=theirs.document_id).update(title="Theirs")
    client.force_login(MembershipFactory(firm=theirs.firm).user)
    response = client.get(address(token))
    assert b"Theirs" not in response.content
    assert client.get(address(str(theirs.pk))).status_code == 404
    assert client.get(address(theirs.token_hash)).status_code == 404
    theirs.refresh_from_db()
    assert theirs.status == "pending"


@pytest.mark.parametrize(
    ("state", "status"), [("open", 200), ("old", 410), ("unknown", 404), ("put", 405)]
)
def test_every_answer_is_discreet(client: Client, state: str, status: int) -> None:
    _, token = ask(at=NOW - timedelta(days=8) if state == "old" else NOW)
    where = address("x" if state == "unknown" else token)
    response = client.put(where) if state == "put" else client.get(where)
    assert response.status_code == status
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Robots-Tag"] == "noindex"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    assert not response.cookies


def test_slows_down_who_asks_too_often(client: Client) -> None:
    _, token = ask()
    for _ in range(60):
        assert client.get(address("x")).status_code == 404
    response = client.get(address(token))
    assert (response.status_code, response["Retry-After"]) == (429, "60")
    assert heading(response) == "Too many requests"
    elsewhere = client.get(address(token), REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 200


def test_behind_a_proxy_visitors_are_counted_by_their_own_address(
    client: Client, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = 1
    for visitor in range(61):
        # What a visitor claims stands left of what our proxy saw.
        forwarded = f"198.51.100.{visitor}, 192.0.2.1"
        response = client.get(address("x"), headers={"X-Forwarded-For": forwarded})
    assert response.status_code == 429
    other = client.get(address("x"), headers={"X-Forwarded-For": "192.0.2.2"})
    assert other.status_code == 404


def test_no_log_line_has_the_token(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    _, token = ask(at=NOW - timedelta(days=8))
    with caplog.at_level(logging.INFO):
        client.get(address(token))
    lines = [DiscreetFormatter().format(record) for record in caplog.records]
    assert lines == ["Gone: /sign/…/"]


@pytest.mark.parametrize(
    "name", ["django", "django.request", "django.server", "django.security.csrf"]
)
def test_django_logs_through_nothing_but_the_discreet_formatter(name: str) -> None:
    logger: logging.Logger | None = logging.getLogger(name)
    handlers = []
    while logger:
        handlers += [h for h in logger.handlers if h.__class__ is logging.StreamHandler]
        logger = logger.parent if logger.propagate else None
    assert handlers
    assert all(isinstance(h.formatter, DiscreetFormatter) for h in handlers)


def test_two_signers_have_a_page_each(strict_client: Client) -> None:
    first, token = ask()
    second, other = ask(document=first.document, signer=ContactFactory(firm=first.firm))
    strict_client.post(address(token), form_of(strict_client, token))
    second.refresh_from_db()
    assert second.status == "pending"
    assert strict_client.get(address(other)).status_code == 200
