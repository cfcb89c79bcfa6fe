"""Importing people from a directory, in phases."""

import ssl
from typing import Any

from django.conf import settings
from ldap3 import NONE, Connection, Server, Tls

from apps.core.fields import Secrets
from apps.directory.models import DirectoryConnection, DirectoryIdentity, MappedAttribute
from apps.integrations.directory.wire import PAGE
from benchmarks.phases.measuring import Figures, migrate, run_job, timed
from benchmarks.world import make_firms

WANTED = "(&(objectCategory=person)(objectClass=user))"
ATTRIBUTES = [
    *("objectGUID", "sAMAccountName", "userPrincipalName", "userAccountControl"),
    *("accountExpires", *MappedAttribute.USUAL.values()),
]


def world(place: dict[str, Any]) -> Figures:
    """Migrate, and make a firm that has a directory and nobody in it."""
    migrate()
    [firm] = make_firms(1)
    secrets = Secrets(bind_password=place.pop("password"))
    DirectoryConnection.objects.create(firm=firm, is_enabled=True, credentials=secrets, **place)
    return {}


def job() -> Figures:
    """Run the job in full, and count whom it has made and whom it left as they were."""
    before = DirectoryIdentity.objects.count()
    ran = run_job("sync_ad", full_sync=True)
    after = DirectoryIdentity.objects.count()
    return {**ran, "created": after - before, "unchanged": before}


def floor(place: dict[str, Any]) -> Figures:
    """Sign in, read the same attributes page by page, and do nothing with them."""
    people = 0

    def read() -> None:
        nonlocal people
        host, _, port = settings.DIRECTORY_HOSTS[place["servers"]].partition(":")
        tls = Tls(
            validate=ssl.CERT_REQUIRED,
            ca_certs_file=settings.DIRECTORY_CA,
            valid_names=[place["servers"]],
        )
        server = Server(host, int(port), use_ssl=True, tls=tls, get_info=NONE)
        user, password = place["bind_user"], place["password"]
        with Connection(server, user, password, check_names=False) as connection:
            found = connection.extend.standard.paged_search(
                place["base_dn"], WANTED, attributes=ATTRIBUTES, paged_size=PAGE
            )
            people += sum(entry["type"] == "searchResEntry" for entry in found)

    return {"seconds": timed(read), "people": people}
