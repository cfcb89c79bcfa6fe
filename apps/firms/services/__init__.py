"""What happens to firms: they are made, and found; who is signed in; what is held."""

from apps.firms.services.holds import holds_of
from apps.firms.services.members import (
    Member,
    Newcomer,
    add_members,
    grant_roles,
    let_in,
    revoke_roles,
    shut_out,
)
from apps.firms.services.provisioning import Provisioned, provision_firm
from apps.firms.services.rounds import by_firm, named
from apps.firms.services.served import find_firm, find_tenant, why_not_served
from apps.firms.services.sessions import (
    begin_session,
    forget_session,
    note_activity,
    sign_out,
)

__all__ = [
    "Member",
    "Newcomer",
    "Provisioned",
    "add_members",
    "begin_session",
    "by_firm",
    "find_firm",
    "find_tenant",
    "forget_session",
    "grant_roles",
    "holds_of",
    "let_in",
    "named",
    "note_activity",
    "provision_firm",
    "revoke_roles",
    "shut_out",
    "sign_out",
    "why_not_served",
]
