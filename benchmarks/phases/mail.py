"""Delivering e-mail, in phases (of which there is one)."""

import smtplib
from email.message import EmailMessage
from email.utils import formatdate
from time import perf_counter
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.contacts.models import Contact
from apps.core.batches import batched, by_key
from apps.leasing.messages import INVOICE_ISSUED
from apps.notifications.email import EmailSender, Message
from apps.notifications.models import Channel, Delivery
from apps.notifications.sending import Letter
from apps.notifications.services import Draft, letters, notify
from apps.notifications.types import registry
from benchmarks.phases.measuring import Figures, migrate, run_job
from benchmarks.world import make_firms


def deliver(count: int, port: int) -> Figures:
    """Deliver ``count`` invoices' messages, and hand the same over with nothing around it."""
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.JOB_TIMEOUT = 3_600  # or a slow machine would leave some for the next run
    migrate()
    _fill_the_outbox(count)
    written = [_written(delivery) for delivery in by_key(Delivery.objects.with_recipients())]
    alone = {
        "bytes_seconds": _send_bytes(written, port),
        "loop_seconds": _write_and_send(written, port),
    }
    before = _connections(port)
    ran = run_job("deliver_notifications")
    sent = Delivery.objects.filter(status=Delivery.Status.SENT).count()
    connections = _connections(port) - before - 1  # the one that asked
    return {**ran, "sent": sent, "connections": connections, **alone}


def _fill_the_outbox(count: int) -> None:
    firms = make_firms()
    for numbers in batched(range(count)):
        contacts = Contact.objects.bulk_create(
            Contact(
                firm=firms[n % len(firms)],
                display_name=f"Customer {n}",
                email=f"customer{n}@example.com",
            )
            for n in numbers
        )
        with transaction.atomic():
            notify([_draft(contact) for contact in contacts])


def _draft(contact: Contact) -> Draft:
    context: dict[str, Any] = {
        "number": f"INV-2025-{contact.pk}",
        "home": "Maple Court 101",
        "month": "2025-03",
        "total": "$1,500.00",
        "balance": "$1,500.00",
        "autopay": False,
        "due": "2025-03-01",
    }
    return Draft(
        type=INVOICE_ISSUED,
        firm_id=contact.firm_id,
        recipient=contact,
        dedupe_key=f"invoice-issued:{contact.pk}",
        context=context,
        channels=(Channel.EMAIL,),
    )


def _written(delivery: Delivery) -> Message:
    """Return what a delivery will say."""
    letters.know_firms([delivery], _firms)
    notification = delivery.notification
    letter = Letter(
        reference=letters.reference(delivery),
        address=notification.recipient.email,
        words=registry()[notification.type].write([notification]),
        firm=notification.firm,
        reply_to="",
    )
    return EmailSender().compose(letter)


_firms: dict[int, Any] = {}


def _write_and_send(written: list[Message], port: int) -> float:
    """Write and send everything over one connection; return the seconds that it took."""
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        smtp.ehlo()
        began = perf_counter()
        for words in written:
            message = EmailMessage()
            message["Subject"], message["To"] = words.subject, words.to[0]
            message["Date"] = formatdate()
            for name, value in words.extra_headers.items():
                message[name] = value
            message.set_content(words.body)
            message.add_alternative(str(words.alternatives[0][0]), subtype="html")
            smtp.send_message(message)
        return perf_counter() - began


def _send_bytes(written: list[Message], port: int) -> float:
    """Send ready bytes over one connection; return the seconds that it took."""
    ready = [(words.from_email, words.to, words.as_bytes()) for words in written]
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        smtp.ehlo()
        began = perf_counter()
        for sender, recipients, message in ready:
            smtp.sendmail(sender, recipients, message)
        return perf_counter() - began


def _connections(port: int) -> int:
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        return int(smtp.verify("")[1])
