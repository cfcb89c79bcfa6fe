"""People, their firms and their contacts."""

from datetime import timedelta
from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from factory.django import DjangoModelFactory

from apps.contacts.models import Contact
from apps.firms.models import (
    Firm,
    FirmSettings,
    Membership,
    MembershipRole,
    Role,
    User,
    UserSession,
)

PASSWORD = "correct-horse-battery"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda o: f"{o.username}@example.com")
    password = factory.LazyFunction(lambda: make_password(PASSWORD))


class FirmFactory(DjangoModelFactory[Firm]):
    class Meta:
        model = Firm
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Firm {n}")
    slug = factory.Sequence(lambda n: f"firm-{n}")
    status = Firm.Status.ACTIVE
    timezone = "America/New_York"
    currency = "USD"
    settings = factory.RelatedFactory(
        "tests.factories.people.FirmSettingsFactory", factory_related_name="firm"
    )


class FirmSettingsFactory(DjangoModelFactory[FirmSettings]):
    class Meta:
        model = FirmSettings


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership
        skip_postgeneration_save = True

    firm = factory.SubFactory(FirmFactory)
    user = factory.SubFactory(UserFactory, is_staff=True)

    @factory.post_generation
    def roles(obj: Membership, create: bool, extracted: Any, **_: Any) -> None:  # noqa: N805
        for role in extracted or [Role.ADMIN]:
            MembershipRole.objects.create(firm=obj.firm, membership=obj, role=role)


class UserSessionFactory(DjangoModelFactory[UserSession]):
    class Meta:
        model = UserSession

    user = factory.SubFactory(UserFactory)
    session_key = factory.Sequence(lambda n: f"session{n}")
    last_activity_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyAttribute(lambda o: o.last_activity_at + timedelta(days=1))


class ContactFactory(DjangoModelFactory[Contact]):
    class Meta:
        model = Contact

    firm = factory.SubFactory(FirmFactory)
    display_name = factory.Sequence(lambda n: f"Contact {n}")
    email = factory.Sequence(lambda n: f"contact{n}@example.com")
