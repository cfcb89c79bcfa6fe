"""The proof: Bob in every text column of every table, erased, and looked for everywhere."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import Model
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from apps.billing.models import BillingAccount, Invoice, Payment, PaymentAttempt
from apps.core.fields import Secrets
from apps.core.personal import Fate, Holding, holdings
from apps.documents.models import SignatureRequest
from apps.engagements.models import Engagement
from apps.fieldwork.models import PayoutRequest
from apps.firms.models import Firm, FirmSettings, User, UserSession
from apps.leasing.models import Lease
from apps.privacy.models import ErasureRequest, StatutoryPeriod
from apps.webhooks.models import GatewayAccount, WebhookEvent, WebhookFingerprint
from sandbox import Sandbox
from tests.billing.paying import KEY
from tests.factories import WebhookEventFactory
from tests.privacy.dump import everything, places
from tests.privacy.erasing import (
    EMAIL,
    NAME,
    NOW,
    a_firm,
    account_of_bob,
    bob_of,
    execute,
    request_of,
)
from tests.privacy.planting import Planter

pytestmark = pytest.mark.django_db

HIS, HERS = "Ѫ", "Ѯ"  # letters that stand nowhere else
WHO = r"bob@bobmail|bob.?marley|1\D{0,3}555\D{0,3}123\D{0,3}9876"
MENTIONS = (NAME.upper(), EMAIL, "+1 (555) 123-9876", f"{NAME} <{EMAIL}>")


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


class Gossip(Planter):
    """Somebody in all of whose told texts Bob is spoken of."""

    def _text(self, model: type[Model], column: Any) -> Any:
        planted = super()._text(model, column)
        page = page_of(model)
        if column.name not in page.told:
            return planted
        mention = MENTIONS[len(self.markers) % len(MENTIONS)]
        match (model._meta.label_lower, column.name):
            case ("django_q.ormq", "payload"):
                return SignedPackage.dumps({"id": "x", "args": (mention,)})
            case ("sessions.session", "session_data"):
                return SessionStore().encode({"said": f"{mention} was changed."})
            case ("webhooks.webhookevent", "raw_body"):
                return json.dumps({"data": {"name": NAME, "email": EMAIL}}).encode()
        if isinstance(planted, dict):
            return {"said": [planted["said"][0], mention], mention: 1}
        return f"{planted} {mention}"


def page_of(model: type[Model]) -> Holding:
    return next(page for page in holdings() if page.model is model)


def settle() -> None:
    """Let nothing be left open that would block an erasure."""
    Invoice.objects.update(status="paid", in_dispute=False)
    Payment.objects.update(status="succeeded")
    PaymentAttempt.objects.update(status="declined")
    Engagement.objects.update(status="completed")
    Lease.objects.update(status="ended")
    PayoutRequest.objects.update(status="PAID")
    SignatureRequest.objects.filter(status="pending").update(
        status="signed", signed_at="2024-03-01T12:00:00Z"
    )


@pytest.fixture
def firm() -> Firm:
    return a_firm()


@pytest.fixture
def bob(firm: Firm) -> Planter:
    """Bob with a marker in each text column of every row that is about him."""
    user = account_of_bob()
    planter = Planter(HIS, firm, user, bob_of(firm, user=user))
    planter.plant_everything()
    # Rows that belong together have the same key.
    session = planter.row(Session)
    UserSession.objects.filter(user=user).update(session_key=session.session_key)
    BillingAccount.objects.filter(firm=firm).update(gateway_customer="cus_bob")
    Invoice.objects.filter(firm=firm).update(billed_to="")
    return planter


@pytest.fixture
def alice(firm: Firm, bob: Planter, sandbox: Sandbox) -> Planter:
    """Alice with a marker in each of hers, and Bob in whatever is told."""
    planter = Gossip(HERS, firm)
    planter.plant_everything()
    sandbox.stripe.add_account(secret_key=KEY)
    sandbox.stripe.add_customer(id="cus_bob", name=NAME, email=EMAIL)
    gateway = GatewayAccount.objects.get(firm=firm)
    gateway.credentials = Secrets(secret_key=KEY)
    gateway.save()
    FirmSettings.objects.filter(firm=firm).update(reply_to=EMAIL)  # one of a kind, as is
    StatutoryPeriod.objects.filter(country="XX").update(source=f"{NAME} looked")
    settle()
    return planter


@pytest.fixture
def request_(bob: Planter, alice: Planter) -> ErasureRequest:
    ErasureRequest.objects.update(closed_at=NOW, user=alice.row(User), contact=None)
    return request_of(user=bob.row(User))


def test_he_is_everywhere_before(bob: Planter, alice: Planter) -> None:
    told = {
        f"{page.model._meta.db_table}.{page.model._meta.get_field(name).column}"
        for page in holdings()
        for name in page.told
        if (page.model._meta.label_lower, name) in alice.markers
    }
    assert sorted(told - places(WHO)) == []
    assert len(told) >= 40


def test_he_is_nowhere_afterwards_but_where_the_law_wants_him(
    request_: ErasureRequest,
) -> None:
    said = execute(request_)
    assert request_.status == "completed", said
    assert places(WHO) == {"billing_invoice.billed_to"}


def test_of_his_own_rows_what_is_kept_or_says_nothing_of_him_is_left(
    request_: ErasureRequest, bob: Planter
) -> None:
    def stays(label: str, name: str) -> bool:
        page = next(page for page in holdings() if page.model._meta.label_lower == label)
        if page.of is None or page.fate == Fate.RETAIN:
            return True
        return page.fate == Fate.ANONYMISE and name not in page.becomes

    before = standing(bob)
    execute(request_)
    assert sorted(before - standing(bob)) == sorted(
        place for place in before if not stays(*place)
    )


def test_alice_keeps_whatever_does_not_speak_of_him(
    request_: ErasureRequest, alice: Planter
) -> None:
    before = standing(alice)
    execute(request_)
    # Tasks that are over, packages and sessions go as a whole: nobody needs them.
    whole = {"django_q.ormq", "django_q.task", "sessions.session"}
    assert {label for label, _ in before - standing(alice)} == whole


def standing(planter: Planter) -> set[tuple[str, str]]:
    """Return the columns in which somebody's markers stand."""
    text = "\n".join(text for _, text in everything())
    return {place for place, marker in planter.markers.items() if marker in text}


def test_finished_events_go_and_unfinished_ones_forget_him(firm: Firm) -> None:
    bob = bob_of(firm)
    body = json.dumps({"id": 1, "customer": {"name": NAME, "email": EMAIL}}).encode()
    kept, gone = (
        WebhookEventFactory(firm=firm, raw_body=body, status=status, error=NAME)
        for status in ("received", "processed")
    )
    other = WebhookEventFactory(firm=firm, raw_body=b'{"name": "Joann"}', status="processed")
    said = execute(request_of(bob))
    assert "  mentions elsewhere: 1 erased\n  mentions elsewhere: 1 anonymised\n" in said
    kept.refresh_from_db()
    assert json.loads(bytes(kept.raw_body)) == {
        "id": 1,
        "customer": {"name": "[erased]", "email": "[erased]"},
    }
    assert kept.error == "[erased]"
    assert set(WebhookEvent.objects.all()) == {kept, other}
    assert WebhookFingerprint.objects.get().event_id == gone.event_id
    assert OrmQ.objects.count() == 0
