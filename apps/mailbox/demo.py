"""The mailboxes of a firm that answers its customers' letters (spec E3.3).

The letters are on a mail server (``project/demo/mailboxes.py``), in ``fixtures/mailboxes``.
Of one mailbox somebody has typed the wrong password.
"""

from django.conf import settings

from apps.core.demo import World
from apps.core.fields import Secrets
from apps.firms.models import Firm
from apps.mailbox.models import EmailConnection


def seed(world: World) -> None:
    """Make the connections; nothing has been read yet."""
    facts = world.fixture("mailboxes")
    firm = Firm.objects.get(slug=facts["firm"])
    for entry in facts["mailboxes"]:
        EmailConnection.objects.create(
            firm=firm,
            name=entry["name"],
            host="127.0.0.1",
            port=settings.DEMO_MAIL_PORT,
            security=EmailConnection.Security.NONE,
            username=entry["username"],
            secret=Secrets(password=entry.get("typed", entry["password"])),
        )
    world.count("mailboxes", len(facts["mailboxes"]))
