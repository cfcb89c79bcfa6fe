"""Whether a subscriber is served: extended, suspended, back again, cancelled."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from apps.audit.services import event, record, record_all
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.models import Firm, Membership, MembershipRole, Role, User, UserSession
from apps.firms.services import sign_out
from apps.subscriptions.models import PaymentOrder, Subscription

# Why a firm is suspended. A payment lifts these two; what a person wrote, only a person.
UNPAID = "unpaid"
CANCELLED = "cancelled"

Status = Subscription.Status


def lock(subscription_ids: Iterable[int]) -> dict[int, Subscription]:
    """Lock subscriptions for the transaction, always in the same order, and read them.

    Every change of an order or a subscription begins with this, so that two of them wait for
    each other. On SQLite the transaction itself is the lock.
    """
    rows = (
        Subscription.objects.select_for_update(of=("self",))
        .select_related("firm", "plan")
        .filter(pk__in=set(subscription_ids))
    )
    return {row.pk: row for row in rows.order_by("pk")}


def is_barred(subscription: Subscription) -> bool:
    """Whether a person has suspended the firm: money does not lift that."""
    firm = subscription.firm
    return firm.status == Firm.Status.CLOSED or (
        firm.status == Firm.Status.SUSPENDED
        and firm.suspension_reason not in {UNPAID, CANCELLED}
    )


# ---- paid -----------------------------------------------------------------------------------


def extend(subscription: Subscription, *, days: int, clock: Clock) -> bool:
    """Move a locked subscription's expiry; True when this brings its firm back.

    From the old expiry when it was paid before or during grace; from today, the firm's, when
    it was suspended, whose time is not charged (C-29).
    """
    firm, today = subscription.firm, subscription.firm.today(clock)
    before, was = subscription.expires_on, subscription.status
    if before is not None:
        base = before if was in Subscription.SERVED else max(before, today)
        subscription.expires_on = base + timedelta(days=days)
    if is_barred(subscription):
        _save(subscription, "expires_on")
        return False
    subscription.status = _standing(subscription.expires_on, today)
    subscription.suspended_at = None
    _save(subscription, "expires_on", "status", "suspended_at")
    back = firm.status == Firm.Status.SUSPENDED
    _serve(firm)
    if back:
        record("firm_reactivated", subscription, changes={"status": [was, subscription.status]})
    return back


def _standing(expires_on: date | None, today: date) -> Subscription.Status:
    return Status.ACTIVE if expires_on is None or expires_on > today else Status.GRACE


def _serve(firm: Firm) -> None:
    firm.status, firm.suspended_at, firm.suspension_reason = Firm.Status.ACTIVE, None, ""
    firm.save(update_fields=["status", "suspended_at", "suspension_reason", "updated_at"])


def _save(subscription: Subscription, *fields: str) -> None:
    subscription.save(update_fields=[*fields, "updated_at"])


# ---- not paid -------------------------------------------------------------------------------


def begin_grace(subscriptions: Sequence[Subscription], *, clock: Clock) -> None:
    """Note that these locked subscriptions are overdue; they are served as before."""
    overdue = [one.pk for one in subscriptions if one.status != Status.GRACE]
    if overdue:
        rows = Subscription.objects.filter(pk__in=overdue)
        rows.update(status=Status.GRACE, updated_at=clock.now)


def suspend_all(
    subscriptions: Sequence[Subscription],
    *,
    status: Subscription.Status,
    reason: str,
    clock: Clock,
    by: User | None = None,
) -> None:
    """Suspend locked subscriptions and their firms; the data stay as they are.

    Everybody but the owners is signed out. A firm that is closed stays closed.
    """
    if not subscriptions:
        return
    pks = [one.pk for one in subscriptions]
    firm_ids = [one.firm_id for one in subscriptions]
    now = clock.now
    Subscription.objects.filter(pk__in=pks).update(
        status=status, suspended_at=now, updated_at=now
    )
    Firm.objects.filter(pk__in=firm_ids, is_active=True).update(
        status=Firm.Status.SUSPENDED, suspended_at=now, suspension_reason=reason, updated_at=now
    )
    end_sessions(firm_ids)
    record_all(
        event(
            "firm_suspended",
            one,
            actor=by,
            reason=reason,
            changes={"status": [one.status, status], "expires_on": str(one.expires_on)},
        )
        for one in subscriptions
    )


def end_sessions(firm_ids: Sequence[int]) -> None:
    """Sign out everybody of these firms but their owners, who must be able to pay."""
    owners = MembershipRole.objects.filter(role=Role.OWNER, membership__is_active=True)
    owns_it = owners.filter(firm=OuterRef("firm"), membership__user=OuterRef("user"))
    elsewhere = Membership.objects.filter(is_active=True, firm__is_active=True)
    here = Membership.objects.filter(firm__in=firm_ids).values("user")
    in_no_firm = (
        Q(firm=None, user__in=here, user__is_superuser=False)
        & ~Q(user__in=elsewhere.values("user"))
        & ~Q(user__in=owners.values("membership__user"))
    )
    sessions = UserSession.objects.filter(
        (Q(firm__in=firm_ids, user__is_superuser=False) & ~Exists(owns_it)) | in_no_firm
    )
    sign_out(sessions=sessions)


# ---- by a person ----------------------------------------------------------------------------


@transaction.atomic
def suspend(*, subscription: Subscription, reason: str, by: User, clock: Clock) -> None:
    """Suspend a subscriber for a reason of our own; no payment lifts it.

    Raises ``Problem`` when it is suspended already.
    """
    [row] = lock([subscription.pk]).values()
    if is_barred(row):
        raise Problem(f"{row.firm} is suspended already.")
    if row.firm.status == Firm.Status.SUSPENDED:  # unpaid until now; from now on barred
        Firm.objects.filter(pk=row.firm_id).update(status=Firm.Status.ACTIVE)
    suspend_all([row], status=Status.SUSPENDED, reason=reason[:200], clock=clock, by=by)


@transaction.atomic
def reactivate(*, subscription: Subscription, reason: str, by: User, clock: Clock) -> None:
    """Let a suspended subscriber work again, whoever suspended it.

    If its paid time is over, the days of grace begin again today: without that the next run
    would suspend it at once. Raises ``Problem`` when it is served anyway or closed.
    """
    [row] = lock([subscription.pk]).values()
    if row.firm.status == Firm.Status.CLOSED:
        raise Problem(f"{row.firm} is closed.")
    if row.status in Subscription.SERVED and row.firm.status != Firm.Status.SUSPENDED:
        raise Problem(f"{row.firm} is not suspended.")
    today, was = row.firm.today(clock), row.status
    if row.expires_on is not None:
        row.expires_on = max(row.expires_on, today)
    row.status, row.suspended_at = _standing(row.expires_on, today), None
    row.cancel_at_period_end = False
    _save(row, "expires_on", "status", "suspended_at", "cancel_at_period_end")
    _serve(row.firm)
    changes = {"status": [was, row.status], "expires_on": str(row.expires_on)}
    record("firm_reactivated", row, actor=by, reason=reason, changes=changes)


@transaction.atomic
def cancel_at_period_end(*, subscription: Subscription, by: User) -> None:
    """Let a subscription end with the time that is paid for.

    Raises ``Problem`` when it has ended already or never does.
    """
    [row] = lock([subscription.pk]).values()
    if row.status not in Subscription.SERVED or row.expires_on is None:
        raise Problem("There is no paid period that could end.")
    under_way = row.orders.filter(
        kind=PaymentOrder.Kind.RENEWAL, status__in=PaymentOrder.OPEN
    ).exists()
    if under_way:
        raise Problem(
            "A payment for the next period is under way at the bank. "
            "Please wait until it has been answered."
        )
    _decide(row, cancel=True, by=by)


@transaction.atomic
def keep(*, subscription: Subscription, by: User) -> None:
    """Take a cancellation back. Raises ``Problem`` when the subscription has ended."""
    [row] = lock([subscription.pk]).values()
    if row.status not in Subscription.SERVED:
        raise Problem("The subscription has ended. Pay to come back.")
    _decide(row, cancel=False, by=by)


def _decide(row: Subscription, *, cancel: bool, by: User) -> None:
    if row.cancel_at_period_end == cancel:
        return
    row.cancel_at_period_end = cancel
    _save(row, "cancel_at_period_end")
    record("subscription_cancelled" if cancel else "subscription_kept", row, actor=by)
