"""Phones that make codes."""

import factory
from django_otp.oath import TOTP
from factory.django import DjangoModelFactory

from apps.access.models import Authenticator
from apps.core.fields import Secrets
from tests.factories.people import UserFactory

KEY = "3132333435363738393031323334353637383930"  # RFC 6238's


class AuthenticatorFactory(DjangoModelFactory[Authenticator]):
    class Meta:
        model = Authenticator

    user = factory.SubFactory(UserFactory, is_staff=True)
    name = "Authenticator"
    confirmed = True
    secret = factory.LazyFunction(lambda: Secrets(key=KEY))


def code_of(authenticator: Authenticator) -> str:
    """The code that the phone shows now."""
    return f"{TOTP(authenticator.key).token():06}"
