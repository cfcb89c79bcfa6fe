"""What is said to whom."""

import factory
from factory.django import DjangoModelFactory

from apps.notifications.models import (
    Delivery,
    Notification,
    NotificationGroup,
    NotificationPreference,
    Suppression,
)
from tests.factories.people import ContactFactory, FirmFactory


class SmsConsentFactory(DjangoModelFactory[NotificationPreference]):
    """``SmsConsentFactory(firm=…, recipient_key=f"contact:{contact.pk}")``."""

    class Meta:
        model = NotificationPreference

    channel = "sms"
    wanted = True


class NotificationFactory(DjangoModelFactory[Notification]):
    class Meta:
        model = Notification

    recipient_contact = factory.SubFactory(ContactFactory)
    firm = factory.SelfAttribute("recipient_contact.firm")
    recipient_key = factory.LazyAttribute(lambda o: f"contact:{o.recipient_contact.pk}")
    type = "invoice_issued"
    dedupe_key = factory.Sequence(lambda n: f"invoice-issued:{n}")


class DeliveryFactory(DjangoModelFactory[Delivery]):
    class Meta:
        model = Delivery

    notification = factory.SubFactory(NotificationFactory)
    firm = factory.SelfAttribute("notification.firm")
    channel = "email"


class SuppressionFactory(DjangoModelFactory[Suppression]):
    class Meta:
        model = Suppression

    firm = factory.SubFactory(FirmFactory)
    channel = "email"
    address_hash = factory.Sequence(lambda n: f"{n:064x}")
    reason = Suppression.Reason.HARD_BOUNCE


class NotificationGroupFactory(DjangoModelFactory[NotificationGroup]):
    class Meta:
        model = NotificationGroup

    firm = factory.SubFactory(FirmFactory)
    name = factory.Sequence(lambda n: f"Group {n}")
