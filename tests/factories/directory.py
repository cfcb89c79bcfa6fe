"""Directories, and who is linked to them."""

from uuid import uuid4

import factory
from factory.django import DjangoModelFactory

from apps.core.fields import Secrets
from apps.directory.models import (
    DirectoryConnection,
    DirectoryIdentity,
    MappedAttribute,
    MappedGroup,
)
from tests.factories.people import FirmFactory, UserFactory


class DirectoryConnectionFactory(DjangoModelFactory[DirectoryConnection]):
    class Meta:
        model = DirectoryConnection

    firm = factory.SubFactory(FirmFactory)
    is_enabled = True
    servers = "dc1.corp.example"
    bind_user = "reader@corp.example"
    base_dn = "OU=Staff,DC=corp,DC=example"
    credentials = factory.LazyFunction(lambda: Secrets(bind_password="password-marker"))


class MappedAttributeFactory(DjangoModelFactory[MappedAttribute]):
    class Meta:
        model = MappedAttribute

    connection = factory.SubFactory(DirectoryConnectionFactory)
    firm = factory.SelfAttribute("connection.firm")
    field = "title"
    attribute = "description"


class MappedGroupFactory(DjangoModelFactory[MappedGroup]):
    class Meta:
        model = MappedGroup

    connection = factory.SubFactory(DirectoryConnectionFactory)
    firm = factory.SelfAttribute("connection.firm")
    group_dn = "CN=Managers,DC=corp,DC=example"
    role = "manager"


class DirectoryIdentityFactory(DjangoModelFactory[DirectoryIdentity]):
    class Meta:
        model = DirectoryIdentity

    connection = factory.SubFactory(DirectoryConnectionFactory)
    firm = factory.SelfAttribute("connection.firm")
    user = factory.SubFactory(UserFactory)
    object_guid = factory.LazyFunction(lambda: str(uuid4()))
    sam_account_name = factory.Sequence(lambda n: f"person{n}")
