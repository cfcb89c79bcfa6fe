"""Firms that send text messages through the sandbox's Twilio, and what it calls back."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from apps.contacts.models import Contact
from apps.core.fields import Secrets
from apps.firms.models import Firm
from apps.notifications.models import Channel, Delivery
from apps.notifications.services import prefer, recipient_key
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from tests.factories import ContactFactory, GatewayAccountFactory
from tests.notifications import messages
from tests.notifications.outbox import say


def open_account(sandbox: Sandbox, firm: Firm, **facts: str) -> GatewayAccount:
    """Give a firm an account at Twilio, whose texts come back to us."""
    sid, token, sender = f"AC{firm.pk:032d}", f"token-{firm.pk}", f"+1555{firm.pk:07d}"
    account: GatewayAccount = GatewayAccountFactory(
        firm=firm,
        provider="twilio",
        credentials=Secrets(
            {"account_sid": sid, "auth_token": token, "sender": sender, **facts}
        ),
    )
    url = settings.SITE_URL + reverse("webhooks:twilio", args=[account.key])
    sandbox.twilio.add_account(sid, token=token, senders=[sender], inbound_url=url)
    return account


def somebody(sandbox: Sandbox, phone: str, *, name: str = "Ada", **firm: str) -> Contact:
    """Return a contact of a firm with an account, who agreed to get text messages."""
    contact: Contact = ContactFactory(
        display_name=name, phone=phone, timezone="UTC", firm__name=f"{name}'s landlord"
    )
    open_account(sandbox, contact.firm, **firm)
    agree(contact)
    return contact


def agree(contact: Contact) -> None:
    prefer(
        firm_id=contact.firm_id,
        recipient_key=recipient_key(contact),
        channel=Channel.SMS,
        wanted=True,
    )


def text(contact: Contact, words: str = "Rent is due", key: str = "key") -> int:
    """Put a text message into the outbox and return its delivery's key."""
    planned = say(
        contact, messages.EVERYWHERE, key, context={"subject": words}, channels=(Channel.SMS,)
    )
    return Delivery.objects.get(notification=planned.notification_id).pk


def became(pk: int) -> tuple[str, str]:
    """Return status and reason of a delivery."""
    return Delivery.objects.values_list("status", "reason").get(pk=pk)


def bodies(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return what was sent to whom, oldest first."""
    found = [one for one in sandbox.twilio.messages() if one["direction"] != "inbound"]
    return [(one["to"], one["body"]) for one in reversed(found)]


def call_back(sandbox: Sandbox) -> list[HttpResponse]:
    """Let the application have what Twilio wants to tell it, and return its answers."""
    waiting, sandbox.core.callbacks.waiting = sandbox.core.callbacks.waiting, []
    client, answers = Client(enforce_csrf_checks=True), []
    for each in waiting:
        at = urlsplit(each.url)
        headers = dict(each.headers(each.body))
        body = each.body + b"&Body=forged" if each.forged else each.body
        answers.append(
            client.post(
                f"{at.path}?{at.query}" if at.query else at.path,
                body,
                content_type=headers.pop("Content-Type"),
                headers=headers,
            )
        )
    return answers


def replies(sandbox: Sandbox) -> list[str]:
    """Call back and return the words that Twilio is to answer with."""
    found = []
    for answer in call_back(sandbox):
        assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (200, "text/xml")
        before, _, rest = answer.content.decode().partition("<Message>")
        assert before.endswith("<Response>") or before.endswith("<Response></Response>")
        found.append(rest.partition("</Message>")[0])
    return found
