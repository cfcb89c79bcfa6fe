"""Keys, card data, tokens and passwords appear in no output, log, task or run item.

Each test does what can be done with money, well and badly, and then reads everything
(``watching.py``) in search of the secrets that ``marked.py`` planted. What pages show is told
in ``test_no_page_shows_a_secret.py``.
"""

import json
import logging
import traceback
from base64 import b64encode
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ
from django_q.tasks import async_task
from pytest_django import Settings

from apps.billing.models import BillingAccount, PaymentAttempt
from apps.documents import services
from apps.documents.models import Document
from apps.integrations.storage import StorageError
from apps.subscriptions.models import PaymentOrder
from apps.webhooks.models import WebhookEvent
from sandbox import Sandbox
from sandbox.stripe.events import sign
from tests.billing.collecting import Shop, at
from tests.documents.filing import sent
from tests.factories import (
    FirmFactory,
    PaymentFactory,
)
from tests.journeys.echoing import ANSWERS, Echo
from tests.journeys.marked import (
    BASIC,
    CLIENT_ID,
    EMAIL,
    HOOK,
    KEY,
    LATER,
    NOON,
    TOKEN,
    browser,
    customer,
    post_event,
    press_links,
    send_mail,
    stranger,
    subscriber_with_card,
    superuser,
)
from tests.journeys.watching import Watch
from tests.servers.s3 import KEY as ACCESS_KEY
from tests.servers.s3 import SECRET, S3Server
from tests.subscriptions.subscribing import owner_of

pytestmark = pytest.mark.django_db

HOW = ({"verbosity": 0}, {"verbosity": 1}, {"verbosity": 2}, {"verbosity": 3}, {"json": True})
EVERY_ANSWER = range(len(ANSWERS))
BEHAVIOURS = ("succeeds", "insufficient_funds", "stolen_card", "authentication_required")
TROUBLE = ("timeout_after", "reset_after", "error_after", "malformed", "rate_limit")


# ---- is anybody looking at all --------------------------------------------------------------


def test_the_watch_would_see_them_wherever_they_are(watch: Watch) -> None:
    firm = FirmFactory()
    watch.mark(marker="marker-0123456789")
    logging.getLogger("apps.anything").debug("a marker-0123456789")
    logging.getLogger("django-q").debug("a marker-0123456789")
    logging.getLogger("urllib3.connectionpool").debug("a marker-0123456789")
    watch.hear("page", b64encode(b"me:marker-0123456789").decode())
    FirmFactory(name="marker-0123456789")
    WebhookEvent.objects.create(
        **{"firm": firm, "provider": "stripe", "event_id": "evt", "account_key": "a"},
        **{"raw_body": b"marker-0123456789", "headers": {"a": "marker-0123456789"}},
        **{"received_at": NOON, "next_attempt_at": NOON},
    )
    async_task("apps.jobs.services.close_lost_runs", "marker-0123456789")
    client = Client()
    session = client.session
    session["said"] = "marker-0123456789"
    session.save()
    cache.set("a", "marker-0123456789")
    mail.send_mail("marker-0123456789", "", "a@example.com", ["b@example.com"])
    assert [leak.removeprefix("marker in ") for leak in watch.leaks()] == [
        *("SQL log", "column cache.value", "column django_q_ormq.payload"),
        *("column django_session.session_data", "column firms_firm.name"),
        *("column webhooks_webhookevent.headers", "column webhooks_webhookevent.raw_body"),
        *("log apps.anything", "log django-q", "log factory.generate"),
        "log urllib3.connectionpool",
        *("mail to b@example.com", "page"),
    ]


# ---- cards ----------------------------------------------------------------------------------


def test_charging_cards(shop: Shop, watch: Watch) -> None:
    with at(NOON):
        for how, trouble in zip(HOW, TROUBLE, strict=True):
            for behaviour in (*BEHAVIOURS, "succeeds"):
                shop.invoice(customer(shop, behaviour))
            shop.sandbox.stripe.misbehave(trouble, path="/v1/payment_intents")
            watch.run_once("process_recurring_charges", **how)
        send_mail(watch)
    with at(LATER):
        watch.run("process_recurring_charges")
        send_mail(watch)
    assert set(PaymentAttempt.objects.values_list("status", flat=True)) >= {
        *("succeeded", "declined", "requires_action"),
    }
    assert mail.outbox
    assert watch.leaks() == []


@pytest.mark.parametrize("spoil", ["revoke", "restrict"])
def test_keys_that_work_no_more(shop: Shop, watch: Watch, spoil: str) -> None:
    with at(NOON):
        shop.invoice(customer(shop))
        getattr(shop.sandbox.stripe, spoil)(KEY)
        said = watch.run("process_recurring_charges")
        watch.run("reconcile_stripe", repair=True)
        assert press_links(watch, stranger(shop)) == {503}
    assert "does not accept the secret key" in said
    assert watch.leaks() == []


def test_a_gateway_that_repeats_keys_and_cards_while_it_charges(
    shop: Shop, watch: Watch, echo: Echo, settings: Settings
) -> None:
    invoices = [shop.invoice(customer(shop)) for _ in EVERY_ANSWER]
    settings.STRIPE_API = echo.url
    with at(NOON):
        watch.run_once("process_recurring_charges", verbosity=3)
        assert len(echo.heard) >= len(invoices)
        assert echo.knows(KEY)
    echo.answer((500, "error"), (401, "error"))
    with at(LATER):
        watch.run_once("process_recurring_charges", json=True)
        send_mail(watch)
    assert watch.leaks() == []


def test_a_gateway_that_repeats_keys_and_links_to_whoever_wants_to_pay(
    shop: Shop, watch: Watch, echo: Echo, settings: Settings
) -> None:
    invoice = stranger(shop)
    settings.STRIPE_API = echo.url
    with at(NOON):
        assert press_links(watch, invoice, len(ANSWERS)) == {503}
        BillingAccount.objects.filter(pk=invoice.account_id).update(gateway_customer="cus_1")
        assert press_links(watch, invoice, len(ANSWERS)) == {503}
    assert all(map(echo.knows, (KEY, "marker.payer", "%2Fcard%2Fthanks%2F")))
    assert watch.leaks() == []


def test_a_gateway_that_repeats_keys_to_whoever_compares(
    shop: Shop, watch: Watch, echo: Echo, settings: Settings
) -> None:
    shop.invoice(customer(shop))
    settings.STRIPE_API = echo.url
    for answer in ((401, "error"), (400, "error"), (200, "object")):
        echo.answer(answer)
        with at(NOON):
            watch.run_once("reconcile_stripe", repair=True, verbosity=3)
    assert echo.knows(KEY)
    assert watch.leaks() == []


def test_comparing_and_repairing(shop: Shop, watch: Watch) -> None:
    with at(NOON):
        ours = shop.invoice(customer(shop))
        facts = {"customer": ours.account.gateway_customer, "amount": 500_000}
        facts["card"] = ours.account.default_payment_method.provider_ref
        tags = {"firm": str(shop.firm.pk), "invoice": str(ours.pk)}
        for metadata in (tags, {}):
            shop.sandbox.stripe.pay_remotely(**facts, metadata=metadata)
    with at(LATER):
        said = watch.run_once("reconcile_stripe", verbosity=3)
        assert "paid in Stripe" in said
        shop.sandbox.stripe.misbehave("malformed", method="GET", path="*/pi_*")
        watch.run("reconcile_stripe", repair=True)
        send_mail(watch)
    ours.refresh_from_db()
    assert ours.status == "paid"
    assert watch.leaks() == []


def test_reports_that_cannot_be_made(shop: Shop, watch: Watch) -> None:
    with at(NOON):
        invoice = shop.invoice(customer(shop))
        watch.run_once("process_recurring_charges")
        watch.run("refresh_materialized_views")
        for number in range(2):  # more than a figure can hold
            PaymentFactory(
                account=invoice.account, amount_minor=2**63 - 1, gateway_ref=f"pi_{number}"
            )
        said = watch.run("refresh_materialized_views")
    assert '"state": "partial"' in said
    assert watch.leaks() == []


# ---- what providers send --------------------------------------------------------------------


def test_events_good_and_forged(shop: Shop, watch: Watch) -> None:
    with at(NOON):
        shop.invoice(customer(shop))
        watch.run_once("process_recurring_charges")
        event = shop.sandbox.stripe.events[-1]
        raw, signed = shop.sandbox.stripe.signed(event)
        forged = shop.sandbox.stripe.signed(event, secret="whsec_of_somebody_else")[1]
        old = shop.sandbox.stripe.signed(event, at=NOON.timestamp() - 3600)[1]
        bare = {"Stripe-Signature": HOOK, "Authorization": f"Bearer {KEY}"}
        assert post_event(watch, shop, raw, forged) == 401
        assert post_event(watch, shop, raw, old) == 400
        assert post_event(watch, shop, raw, bare) == 401
        assert post_event(watch, shop, HOOK.encode(), signed) == 401
        assert post_event(watch, shop, raw, signed) == 200
        watch.run_once("process_webhook_events", verbosity=3)
    assert WebhookEvent.objects.get().status in {"processed", "ignored"}
    assert watch.leaks() == []


def test_events_that_a_mad_gateway_is_asked_about(
    shop: Shop, watch: Watch, echo: Echo, settings: Settings
) -> None:
    settings.STRIPE_API = echo.url
    numbers = count()

    def hear(kind: str, about: Any) -> None:
        event = {"id": f"evt_{next(numbers)}", "type": kind, "data": {"object": about}}
        raw = json.dumps({**event, "livemode": False}).encode()
        assert post_event(watch, shop, raw, sign(HOOK, raw, at=NOON.timestamp())) == 200

    with at(NOON):
        for _ in EVERY_ANSWER:
            hear("payment_intent.succeeded", {"id": "pi_1", "receipt_email": EMAIL})
        hear("payment_intent.succeeded", f"nothing that can be read, from {EMAIL}")
        said = watch.run_once("process_webhook_events", verbosity=3)
    assert "will be tried again" in said
    assert echo.knows(KEY)
    client = superuser(watch)
    listed = client.get(reverse("admin:webhooks_webhookevent_changelist"))
    watch.read("list of events", listed)
    for event in WebhookEvent.objects.all()[:3]:
        page = reverse("admin:webhooks_webhookevent_change", args=[event.pk])
        watch.read("page of an event", client.get(page))
    assert watch.leaks() == []


# ---- the bank -------------------------------------------------------------------------------


def mark_tokens(watch: Watch, bank: Sandbox) -> None:
    tokens = list(bank.bog.tokens.given)
    assert tokens
    watch.mark(**{f"token_{number}": token for number, token in enumerate(tokens)})


def test_renewing_subscriptions(bank: Sandbox, watch: Watch) -> None:
    for number in range(4):
        subscriber_with_card(bank, f"motors-{number}")
    for kind in ("reset_after", "malformed", "error_after"):
        bank.bog.misbehave(kind, path="*/subscribe")
    with at("2025-06-11T12:00:00Z"):
        said = watch.run("process_recurring_payments")
        mark_tokens(watch, bank)
        bank.bog.expire_tokens()
        for order in PaymentOrder.objects.exclude(bog_order_id="").filter(status="pending"):
            bank.bog.settle(order.bog_order_id, code="107")
            raw, headers = bank.bog.signed(order.bog_order_id)
            forged = bank.bog.signed(order.bog_order_id, forged=True)
            for one, its in ((raw, headers), forged):
                answer = Client().post(
                    "/webhooks/bog/", one, content_type="application/json", headers=its
                )
                watch.read("answer of the inbox", answer)
        watch.run("process_webhook_events")
        watch.run("process_recurring_payments")
        mark_tokens(watch, bank)
        watch.run("check_subscription_status")
        send_mail(watch)
    assert said
    assert bank.bog.charges()
    assert watch.leaks() == []


def test_a_bank_that_lets_us_in_no_more(bank: Sandbox, watch: Watch) -> None:
    order = subscriber_with_card(bank, "tbilisi-motors")
    bank.bog.add_client(client_id=CLIENT_ID, client_secret="another")
    with at("2025-06-11T12:00:00Z"):
        said = watch.run("process_recurring_payments")
        pay_as_owner(watch, order)
    assert "The bank does not accept the platform's credentials." in said
    assert watch.leaks() == []


def test_a_bank_that_repeats_what_it_is_told(
    bank: Sandbox, watch: Watch, echo: Echo, settings: Settings
) -> None:
    orders = [subscriber_with_card(bank, f"motors-{number}") for number in EVERY_ANSWER]
    settings.BOG_API, settings.BOG_TOKENS = echo.url, f"{echo.url}/token"
    with at("2025-06-11T12:00:00Z"):
        watch.run("process_recurring_payments")
        for _ in EVERY_ANSWER:
            pay_as_owner(watch, orders[0])
        echo.token = ""  # and its desk for tokens has gone mad, too
        settings.BOG_TOKENS = f"{echo.url}/token/"
        watch.run("process_recurring_payments")
    assert all(map(echo.knows, (TOKEN, BASIC)))
    assert watch.leaks() == []


def pay_as_owner(watch: Watch, order: PaymentOrder) -> None:
    client = browser(watch, owner_of(order.subscription))
    where = reverse("subscriptions:pay", args=[order.subscription_id])
    watch.read("page of an owner", client.post(where, follow=True))


# ---- files ----------------------------------------------------------------------------------

NAME = "Passport of Marker Payer.pdf"
TROUBLES = (
    {"status": 403, "code": "InvalidAccessKeyId"},
    {"status": 403, "code": f"For {SECRET}"},
    {"status": 500, "code": "InternalError", "times": 3},
)


def test_files_in_a_bucket(bucket: str, s3: S3Server, settings: Settings, watch: Watch) -> None:
    settings.STORAGE_TIMEOUT = 0.3
    watch.mark(access_key=ACCESS_KEY, secret=SECRET, quoted=quote(SECRET, safe=""), name=NAME)
    watch.allow(
        # Who may open a document sees its name, and with the link the id of the key.
        name=["column documents_document.file_name", "page of a document", "SQL log"],
        access_key=["page of a document: headers"],
    )
    firm, client = FirmFactory(), superuser(watch)

    def send() -> Document:
        services.store_file(
            **{"firm": firm, "upload": sent(name=NAME), "title": "Passport", "now": NOON},
            **{"owner": None, "actor": None},
        )
        return Document.objects.latest("pk")

    for trouble in TROUBLES:
        s3.refuse_next(**trouble)
        with pytest.raises(StorageError) as refused:
            send()
        watch.hear("error of the storage", traceback.format_exception(refused.value))
    document = send()
    for page in ("change", "download", "history"):
        where = reverse(f"admin:documents_document_{page}", args=[document.pk])
        watch.read("page of a document", client.get(where))
    with transaction.atomic():
        services.mark_for_purge(
            documents=Document.objects.all(), actor=None, reason="Erasure", now=NOON
        )
    for trouble in TROUBLES:
        s3.refuse_next(**trouble)
        watch.hear("purge", services.finish_purges(firm=None, limit=9, now=NOON))
    services.finish_purges(firm=None, limit=9, now=NOON)
    assert s3.versions(bucket) == []
    assert watch.leaks() == []
    assert NAME not in str(list(Document.objects.values()))


# ---- the queue ------------------------------------------------------------------------------


def test_tasks(shop: Shop, watch: Watch) -> None:
    with at(NOON):
        shop.invoice(customer(shop))
        shop.sandbox.stripe.revoke(KEY)
        for job in (
            "apps.billing.services.process_recurring_charges",
            "apps.billing.services.reconcile_stripe",
        ):
            async_task(job, firm_id=shop.firm.pk)
            async_task(job, firm_id=shop.firm.pk, sync=True)
    assert OrmQ.objects.count() == 2
    assert watch.leaks() == []
