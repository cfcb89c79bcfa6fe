"""What stops a run before it changes anything: people must not vanish by a mistake."""

from apps.core.problems import Problem
from apps.directory.models import DirectoryConnection
from apps.directory.services.planning import Action, Plan
from apps.firms.models import Firm, MembershipRole, Role


class Guarded(Problem):
    """A run would do more than anybody can have meant; nothing has been done."""


def guard(plan: Plan, connection: DirectoryConnection, *, force: bool) -> None:
    """Raise ``Guarded`` when too many people would be shut out, or the last active owner.

    ``force`` lifts only the limit.
    """
    leaving = len(plan.deactivated)
    limit = max(
        connection.deactivation_limit_least,
        plan.active * connection.deactivation_limit_percent // 100,
    )
    if leaving > limit and not force:
        raise Guarded(
            f"Refusing to deactivate {leaving} of {plan.active} linked users (limit {limit}). "
            "Use --force if this is intended."
        )
    before = active_owners(connection.firm)
    if before and not _owners_after(before, plan):
        raise Guarded("Refusing to deactivate the last active owner.")


def active_owners(firm: Firm) -> set[int]:
    """Return the accounts of a firm's owners who can sign in."""
    owners = MembershipRole.objects.filter(
        firm=firm,
        role=Role.OWNER,
        membership__is_active=True,
        membership__user__is_active=True,
    )
    return set(owners.values_list("membership__user", flat=True))


def _owners_after(owners: set[int], plan: Plan) -> set[int]:
    """Return who would own the firm; people without an account cannot yet."""
    after = set(owners)
    for change in plan.changes:
        if change.known is None:
            continue
        user = change.known.identity.user_id
        if change.action == Action.DEACTIVATE or Role.OWNER in change.revokes:
            after.discard(user)
        elif Role.OWNER in change.grants or (
            change.action == Action.REACTIVATE and Role.OWNER in change.known.roles
        ):
            after.add(user)
    return after
