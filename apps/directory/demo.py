"""Acme's Active Directory and who of its people are linked to it (spec E3.1).

The directory's own side is in ``fixtures/sandbox.json``.
"""

from apps.core.demo import World
from apps.core.fields import Secrets
from apps.directory.models import PASSWORD, DirectoryConnection, DirectoryIdentity
from apps.firms.demo import add_person
from apps.firms.models import Firm
from apps.firms.rights import staff_group


def seed(world: World) -> None:
    """Make the connection, and the people who were imported with it before."""
    facts = world.fixture("directory")
    firm = Firm.objects.get(slug=facts["firm"])
    connection = DirectoryConnection.objects.create(
        firm=firm,
        is_enabled=True,
        credentials=Secrets({PASSWORD: facts["bind_password"]}),
        **facts["connection"],
    )
    rights = staff_group()
    for person in facts["people"]:
        user = add_person(world, firm, person | {"roles": ["staff"]}, rights=rights)
        if not user.email:  # erased: the link goes with the person
            continue
        DirectoryIdentity.objects.create(
            firm=firm,
            connection=connection,
            user=user,
            object_guid=person["guid"],
            sam_account_name=person["username"],
            dn=f"CN={user.get_full_name()},{connection.base_dn}",
            upn=user.email,
            title=person["title"],
        )
    world.count("people", len(facts["people"]))
