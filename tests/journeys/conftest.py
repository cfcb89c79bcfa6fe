"""Who is watched, and by whom (``watching.py``, ``marked.py``)."""

from collections.abc import Iterator

import pytest
from django.conf import settings as project
from django.core.cache import cache
from pytest_django import Settings

from apps.core.fields import Secrets
from apps.firms.models import Role
from sandbox import Sandbox
from tests.billing.collecting import Shop
from tests.factories import (
    FirmFactory,
    GatewayAccountFactory,
    MembershipFactory,
)
from tests.journeys.echoing import CARD_NUMBER, Echo, echoing
from tests.journeys.marked import (
    BASIC,
    CLIENT_ID,
    CLIENT_SECRET,
    EMAIL,
    HOOK,
    KEY,
    MAY_BE,
    PHONE,
    TOKEN,
)
from tests.journeys.watching import Watch, watching


@pytest.fixture
def watch(db: None, settings: Settings) -> Iterator[Watch]:
    """Read everything from here on, with the secrets of this installation in mind."""
    settings.GATEWAY_TIMEOUT = 0.3
    cache.clear()
    with watching() as watch:
        watch.mark(
            secret_key=project.SECRET_KEY,
            encryption_key=project.ENCRYPTION_KEYS[0],
            card_number=CARD_NUMBER,
        )
        watch.allow(**MAY_BE)
        yield watch


@pytest.fixture
def shop(sandbox: Sandbox, watch: Watch) -> Shop:
    """A firm at Stripe with customers to charge; every secret of theirs is marked."""
    firm = FirmFactory()
    MembershipFactory(firm=firm, roles=[Role.OWNER])
    sandbox.stripe.add_account(secret_key=KEY, webhook_secret=HOOK)
    GatewayAccountFactory(firm=firm, credentials=Secrets(secret_key=KEY, webhook_secret=HOOK))
    watch.mark(key=KEY, hook=HOOK, email=EMAIL, phone=PHONE)
    return Shop(sandbox, firm, KEY)


@pytest.fixture
def bank(sandbox: Sandbox, watch: Watch) -> Sandbox:
    sandbox.bog.add_client(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    secrets = Secrets(
        client_id=CLIENT_ID, client_secret=CLIENT_SECRET, public_key=sandbox.bog.public_key
    )
    GatewayAccountFactory(firm=None, provider="bog", credentials=secrets)
    watch.mark(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, basic=BASIC)
    return sandbox


@pytest.fixture
def echo(settings: Settings, watch: Watch) -> Iterator[Echo]:
    """Every gateway has gone mad and repeats what it is told."""
    watch.mark(bank_token=TOKEN)
    with echoing(token=TOKEN) as echo:
        yield echo
