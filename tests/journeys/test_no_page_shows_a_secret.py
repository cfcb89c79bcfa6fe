"""No page, form, error page or printed object shows a key, a token or a password.

As in ``test_no_secret_gets_out.py``, everything else that was said is read, too.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as project
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from apps.integrations.cards import get_cards
from apps.integrations.payments import get_payments
from apps.integrations.storage.folder import FolderStorage
from apps.notifications.services.wishes import unsubscribe_token
from apps.notifications.types import Category
from apps.subscriptions.models import Plan
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from tests.billing.collecting import Shop, at
from tests.documents.asking import ask
from tests.factories import PlanFactory, UserFactory
from tests.journeys.marked import (
    CLIENT_ID,
    CLIENT_SECRET,
    HOOK,
    KEY,
    NOON,
    PASSWORD,
    customer,
    owner,
    stranger,
    superuser,
    tokens_of,
    visit,
)
from tests.journeys.watching import Watch
from tests.servers.s3 import KEY as ACCESS_KEY
from tests.servers.s3 import SECRET

pytestmark = pytest.mark.django_db

FILTER = "apps.core.error_pages.DiscreetReporterFilter"
BEHAVIOURS = ("succeeds", "insufficient_funds", "stolen_card", "authentication_required")

TYPED = {"provider": "stripe", "secret_key": KEY, "webhook_secret": HOOK}

# ---- pages ----------------------------------------------------------------------------------


def pages_of(account: GatewayAccount) -> list[str]:
    at_it = [f"admin:webhooks_gatewayaccount_{page}" for page in ("change", "history")]
    return [
        *(reverse(name, args=[account.pk]) for name in at_it),
        reverse("admin:webhooks_gatewayaccount_changelist"),
        reverse("admin:webhooks_gatewayaccount_changelist") + "?status__exact=active&o=1",
        reverse("admin:audit_auditevent_changelist"),
        reverse("admin:index"),
    ]


def test_the_pages_of_accounts(shop: Shop, watch: Watch) -> None:
    account = GatewayAccount.objects.get(firm=shop.firm)
    change = pages_of(account)[0]
    listed = reverse("admin:webhooks_gatewayaccount_changelist")
    add = reverse("admin:webhooks_gatewayaccount_add")
    for client in (superuser(watch), owner(watch, shop)):
        for wrong in (
            {**TYPED, "client_id": KEY, "livemode": "on"},
            {**TYPED, "public_key": HOOK, "next_public_key": KEY},
            {**TYPED, "secret_key": KEY * 200},
            {**TYPED, "provider": "bog"},
        ):
            for where in (add, change):
                watch.read("form that was refused", client.post(where, wrong, follow=True))
        saved = client.post(change, {**TYPED, "_continue": "1"}, follow=True)
        assert watch.read("form that was saved", saved).redirect_chain
        for address in pages_of(account):
            watch.read(f"page {address}", client.get(address))
        for action in ("disable", "disable", "enable"):
            pressed = client.post(
                listed, {"action": action, "_selected_action": [account.pk]}, follow=True
            )
            watch.read("list after an action", pressed)
    assert watch.leaks() == []


def test_lists_of_what_happened(shop: Shop, watch: Watch) -> None:
    with at(NOON):
        for behaviour in BEHAVIOURS:
            shop.invoice(customer(shop, behaviour))
        watch.run_once("process_recurring_charges")
        client = superuser(watch)
        for model in (
            *("billing_paymentattempt", "jobs_jobrun", "audit_auditevent", "billing_invoice"),
            *("discrepancies_discrepancy", "notifications_notification"),
        ):
            where = reverse(f"admin:{model}_changelist")
            assert watch.read(f"list {model}", client.get(where)).status_code == 200
    assert watch.leaks() == []


# ---- Django's own page about an error -------------------------------------------------------


@pytest.fixture
def debug(settings: Settings) -> None:
    settings.DEBUG = True


def test_the_project_uses_the_discreet_page() -> None:
    assert project.DEFAULT_EXCEPTION_REPORTER_FILTER == FILTER


def broken(watch: Watch, answer: Any) -> str:
    """Read a page about an error, which must be Django's own, and return it."""
    watch.read("page about an error", answer)
    assert answer.status_code == 500
    page = str(answer.content.decode())
    assert "Traceback" in page
    return page


@contextmanager
def without(table: str) -> Iterator[None]:
    """Let a table be missing for a while."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO gone_for_now")
        with transaction.atomic():
            yield
            transaction.set_rollback(True)  # PostgreSQL wants that after an error
        cursor.execute(f"ALTER TABLE gone_for_now RENAME TO {table}")


@pytest.mark.usefixtures("debug")
def test_a_page_about_an_account_that_cannot_be_read(
    shop: Shop, watch: Watch, settings: Settings
) -> None:
    account = GatewayAccount.objects.get(firm=shop.firm)
    client = superuser(watch, raise_request_exception=False)
    other = Fernet.generate_key().decode()
    watch.mark(other_key=other)
    settings.ENCRYPTION_KEYS = [other]
    page = broken(watch, client.get(pages_of(account)[0]))
    assert "ENCRYPTION_KEYS lacks its key" in page
    assert watch.leaks() == []


@pytest.mark.usefixtures("debug")
def test_a_page_about_an_account_that_cannot_be_saved(shop: Shop, watch: Watch) -> None:
    account = GatewayAccount.objects.get(firm=shop.firm)
    client = superuser(watch, raise_request_exception=False)
    typed = {"secret_key": KEY, "webhook_secret": HOOK, "public_key": "", "client_id": ""}
    change = pages_of(account)[0]
    with without("audit_auditevent"):
        page = broken(watch, client.post(change, typed))
    for variable in ("account", "secrets", "given", "form"):
        assert f"<td>{variable}</td>" in page
    assert watch.leaks() == []


@pytest.mark.usefixtures("debug")
def test_a_page_about_a_gateway_that_cannot_even_be_asked(
    shop: Shop, watch: Watch, settings: Settings
) -> None:
    with at(NOON):
        pay, _ = tokens_of(watch, stranger(shop))
        del settings.STRIPE_API
        client = Client(raise_request_exception=False)
        page = broken(watch, client.post(f"/pay/{pay}/"))
    assert "<td>secret_key</td>" in page
    # Shown to whoever has the link, and said again, variable by variable, by its template.
    watch.allow(pay_token=["page about an error", "log django.template"])
    assert watch.leaks() == []


@pytest.mark.usefixtures("debug")
def test_a_page_about_documents_that_cannot_be_listed(bucket: str, watch: Watch) -> None:
    watch.mark(access_key=ACCESS_KEY, secret=SECRET, quoted=quote(SECRET, safe=""))
    client = superuser(watch, raise_request_exception=False)
    listed = reverse("admin:documents_document_changelist")
    url = f"s3://{ACCESS_KEY}:{quote(SECRET, safe='')}@s3.example/{bucket}"
    with without("documents_document"):
        page = broken(watch, client.get(listed, STORAGE_URL=url))
    assert "<td>STORAGE</td>" in page
    assert bucket in page
    assert watch.leaks() == []


@pytest.mark.usefixtures("debug")
def test_a_page_about_somebody_who_cannot_sign_in(watch: Watch, settings: Settings) -> None:
    user = UserFactory(is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    database = "postgres://nightshift:marker-of-the-database@db/nightshift"
    watch.mark(password=PASSWORD, database="marker-of-the-database")
    typed = {"username": user.username, "password": PASSWORD}
    client = Client(raise_request_exception=False)
    with without("django_session"):
        page = broken(
            watch,
            client.post("/admin/login/", typed, DATABASE_URL=database, EMAIL_URL=database),
        )
    assert user.username in page
    assert watch.leaks() == []


# ---- links ----------------------------------------------------------------------------------


def test_links_in_logs(shop: Shop, watch: Watch) -> None:
    with at(NOON):
        invoice = stranger(shop)
        pay, card = tokens_of(watch, invoice)
        _, signing = ask(at=NOON)
        watch.mark(sign_token=signing)
        opt_out = unsubscribe_token(
            firm_id=shop.firm.pk,
            recipient_key=f"contact:{invoice.account.contact_id}",
            category=Category.OPERATIONAL,
        )
        file = (
            FolderStorage(folder="/nowhere")
            .link("firms/1/none", version_id="", file_name="a.txt", content_type="text/plain")
            .split("/")[2]
        )
        watch.mark(unsubscribe_token=opt_out, file_token=file)
        watch.allow(file_token=["page behind a link"])
        paths = (
            *(f"/pay/{pay}", f"/pay/{pay}/thanks", f"/pay/{card}/card", f"/sign/{signing}"),
            *(f"/notifications/unsubscribe/{opt_out}", f"/files/{file}"),
        )
        for path in paths:
            for method in ("get", "post", "put", "head"):
                for end in ("", "/", "/nowhere/", "?again"):
                    visit(watch, method, f"{path}{end}")
        with without("billing_invoiceline"):
            assert visit(watch, "get", f"/pay/{pay}/").status_code == 500
    logged = str([said for where, said in watch.heard.items() if where.startswith("log ")])
    assert all(f"/{page}/…" in logged for page in ("pay", "sign", "files", "unsubscribe"))
    assert watch.leaks() == []


# ---- passwords ------------------------------------------------------------------------------

FIRM = {
    "name": "Acme Consulting",
    "slug": "acme-consulting",
    "admin_email": "admin@acme.com",
    "tier": "professional",
}


def provision(watch: Watch, **how: Any) -> str:
    asked = {**FIRM, **how}
    said = [watch.run_once("provision_firm", verbosity=n, **asked) for n in range(4)]
    return "\n".join(said)


@pytest.fixture
def plan(watch: Watch) -> None:
    watch.mark(password=PASSWORD)
    if not Plan.objects.filter(code="professional").exists():
        PlanFactory(code="professional")


@pytest.mark.usefixtures("plan")
def test_a_password_on_the_command_line(watch: Watch, settings: Settings) -> None:
    settings.BASELINE, right = "tests.firms.failing_baseline", settings.BASELINE
    assert "RuntimeError" in provision(watch, admin_password=PASSWORD)
    settings.BASELINE = right
    assert "tier" in provision(watch, admin_password=PASSWORD, tier="none")
    provision(watch, admin_password=PASSWORD, dry_run=True)
    said = provision(watch, admin_password=PASSWORD)
    assert "provisioned successfully" in said
    assert "already taken" in said
    assert watch.leaks() == []


@pytest.mark.usefixtures("plan")
@pytest.mark.parametrize("weak", ["0123456789876543", "1q2w3e4r5t"])
def test_a_password_that_is_refused(watch: Watch, weak: str) -> None:
    watch.mark(password=weak)
    assert "Invalid options: password is" in provision(watch, admin_password=weak)
    assert watch.leaks() == []


@pytest.mark.usefixtures("plan")
def test_a_password_from_standard_input(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n" * 4))
        provision(watch, admin_password="-", slug=f"acme-{number}")
    assert watch.leaks() == []


@pytest.mark.usefixtures("plan")
def test_a_password_in_the_environment(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVISION_ADMIN_PASSWORD", PASSWORD)
    assert "successfully" in provision(watch)
    assert watch.leaks() == []


# ---- printing things ------------------------------------------------------------------------


def test_printing_what_holds_them(shop: Shop, bank: Sandbox, watch: Watch) -> None:
    for account in GatewayAccount.objects.all():
        watch.hear("an account", f"{account} {account!r} {vars(account)} {account.credentials}")
        watch.hear("its values", list(GatewayAccount.objects.values()))
    payments = get_payments(provider="stripe", secret_key=KEY)
    cards = get_cards(provider="bog", client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    for adapter in (payments, cards):
        watch.hear("an adapter", f"{adapter} {adapter!r}")
        adapter.close()
    out = io.StringIO()
    call_command("dumpdata", "webhooks", "audit", stdout=out)
    watch.hear("a dump of the database", out.getvalue())
    assert watch.leaks() == []
