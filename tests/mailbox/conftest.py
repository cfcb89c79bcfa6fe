"""A firm that reads a mailbox on a real server, and its neighbour."""

import pytest
from pytest_django import Settings

from apps.firms.models import Firm, Role
from tests.factories import FirmFactory, MembershipFactory
from tests.mailbox.post import Post
from tests.servers.imap import MailHost


@pytest.fixture
def server(dovecot_server: MailHost, settings: Settings) -> MailHost:
    """Dovecot; the test carries the marker ``dovecot``."""
    settings.IMAP_TIMEOUT = 10.0
    return dovecot_server


@pytest.fixture
def firm(db: None) -> Firm:
    firm: Firm = FirmFactory(name="My Company", slug="mycompany")
    MembershipFactory(firm=firm, user__username="olga", roles=[Role.OWNER])
    MembershipFactory(firm=firm, user__username="stan", roles=[Role.STAFF])
    return firm


@pytest.fixture
def post(server: MailHost, firm: Firm) -> Post:
    """The firm's mailbox, and who writes to it."""
    return Post.open(server, firm, "Support Inbox")
