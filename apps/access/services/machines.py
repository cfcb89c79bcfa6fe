"""Whether this machine may act for this database: what is known, a yes, and a no."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from apps.audit.services import event, record
from apps.billing.models import Invoice
from apps.core.problems import Problem
from apps.installations.identity import this_installation
from apps.installations.leaving import forget, is_strange, trust_this_machine
from apps.installations.models import Installation
from apps.notifications.models import Channel, Delivery
from apps.notifications.services import discard_waiting
from apps.subscriptions.models import PaymentOrder


def waiting(*, now: datetime) -> Mapping[str, int]:
    """Return how much would leave the building after a yes, by what it is."""
    open_ = (Delivery.Status.QUEUED, Delivery.Status.SENDING)
    outward = Delivery.objects.exclude(channel=Channel.IN_APP)
    return {
        "messages": outward.filter(status__in=open_).count(),
        "invoices to be charged": Invoice.objects.due_for_autopay(now=now).count(),
        "payments at the bank": PaymentOrder.objects.filter(
            status__in=PaymentOrder.OPEN
        ).count(),
    }


def trust_machine(*, reason: str, now: datetime) -> Installation:
    """Let this machine act for this database, and write down who said so."""
    with transaction.atomic():
        installation = trust_this_machine()
        facts = {"machine": installation.name, "waiting": dict(waiting(now=now))}
        record("machine_trusted", installation, changes=facts, reason=reason)
    forget()  # again: whoever asked before the commit was told no
    return installation


def discard_what_waits(*, reason: str, now: datetime) -> int:
    """Let what waits in a copy's outbox never be sent; return how many messages.

    Raises Problem on a machine that is known: there it is no copy.
    """
    forget()
    if not is_strange():
        raise Problem("This database knows this machine, so it is no copy: nothing discarded.")
    discarded = discard_waiting(now=now)
    ours = this_installation()
    about = Installation(key=ours.key, name=ours.name)
    said = event("waiting_discarded", about, changes={"messages": discarded}, reason=reason)
    said.object_id = ours.name[:60]
    said.save(force_insert=True)
    return discarded
