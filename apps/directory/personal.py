"""What directories have told about people."""

from apps.contacts.models import Tombstone
from apps.core.personal import Basis, Holding, by_user
from apps.directory.models import (
    DirectoryConnection,
    DirectoryIdentity,
    MappedAttribute,
    MappedGroup,
)

HOLDINGS = (
    Holding(
        DirectoryIdentity,
        category="directory",
        of=by_user("user"),
        basis=Basis.OBSERVED,
        exports=(
            *("object_guid", "dn", "upn", "sam_account_name", "title", "state"),
            *("account_expires_at", "deactivated_by_sync", "last_seen_at"),
        ),
        # They are still in the directory: the next run must not make them anew.
        buried={"object_guid": Tombstone.Kind.DIRECTORY},
    ),
    Holding(MappedAttribute, plain=("attribute",)),
    Holding(MappedGroup, plain=("group_dn",)),
    Holding(
        DirectoryConnection,
        # Who reads is an account for machines, and a problem names nobody.
        plain=(
            *("servers", "certificate_name", "authority", "bind_user", "base_dn"),
            *("person_filter", "dc_host", "dc_invocation_id", "problem"),
        ),
        secret=("credentials",),
    ),
)
