"""What is known of a mailbox's connection: who has it, what went wrong, what people change."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parseaddr
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.audit.services import record
from apps.core.fields import Secrets
from apps.core.problems import Problem, sentence
from apps.firms.models import Firm, User
from apps.firms.rights import in_charge
from apps.integrations.mailboxes import Account, Auth, AuthenticationFailed, Security
from apps.mailbox.messages import MAILBOX_SHUT
from apps.mailbox.models import EmailConnection
from apps.notifications.services import Draft, notify

LEASE = timedelta(minutes=15)  # without a sign of life: whoever had it is gone
SHORTEST_BACKOFF, LONGEST_BACKOFF = 5, 360  # minutes
SECRET_OF = {Auth.PASSWORD: "password", Auth.XOAUTH2: "access_token"}
_LONGEST_PROBLEM = 200

Status = EmailConnection.Status


def account_of(connection: EmailConnection) -> Account:
    """Return where a mailbox is and how to sign in; raises ``AuthenticationFailed``."""
    secret = connection.secret.get(SECRET_OF[Auth(connection.auth)], "")
    if not secret:
        raise AuthenticationFailed("there are no credentials")
    return Account(
        connection.host,
        connection.port,
        Security(connection.security),
        connection.username,
        Auth(connection.auth),
        secret,
    )


def own_addresses(firm: Firm) -> frozenset[str]:
    """Return the addresses that are ours: whoever writes from one of them is no stranger."""
    mailboxes = EmailConnection.objects.filter(firm=firm, username__contains="@")
    told = [*mailboxes.values_list("username", flat=True), settings.DEFAULT_FROM_EMAIL]
    told += [firm.settings.reply_to] if hasattr(firm, "settings") else []
    return frozenset(filter(None, (parseaddr(one)[1].lower() for one in told)))


# ---- by a run -------------------------------------------------------------------------------


def claim_connection(*, connection: EmailConnection, now: datetime) -> UUID | None:
    """Take a mailbox for the time of a lease; nothing if it is not due or another has it."""
    lease = uuid4()
    due = EmailConnection.objects.due(now=now).filter(pk=connection.pk)
    taken = due.update(lease=lease, lease_expires_at=now + LEASE, last_attempt_at=now)
    return lease if taken else None


def keep_connection(*, connection: EmailConnection, lease: UUID) -> bool:
    """Extend a lease, and tell whether nobody else has taken the mailbox meanwhile.

    A dry run has no lease to extend: its claim was rolled back.
    """
    now = timezone.now()
    same = EmailConnection.objects.filter(pk=connection.pk)
    if same.filter(lease=lease).update(lease_expires_at=now + LEASE):
        return True
    return not same.filter(lease_expires_at__gt=now).exists()


def release_connection(*, connection: EmailConnection, lease: UUID) -> None:
    """Let a mailbox go, unless another has it by now."""
    ours = EmailConnection.objects.filter(pk=connection.pk, lease=lease)
    ours.update(lease=None, lease_expires_at=None)


def note_success(
    *, connection: EmailConnection, at: datetime | None, problem: str, now: datetime
) -> None:
    """Write down that a mailbox could be read; ``at`` says when, if to the end."""
    facts = {"last_sync_at": at} if at else {}
    _same_credentials(connection).update(
        status=Status.OK,
        problem=problem[:_LONGEST_PROBLEM],
        consecutive_failures=0,
        backoff_until=None,
        updated_at=now,
        **facts,
    )


def note_failure(*, connection: EmailConnection, error: Exception, now: datetime) -> None:
    """Write down why a mailbox could not be read, and when it will be tried again.

    Wrong credentials: not before they change, because every try brings the account nearer to
    being locked; its firm's owners and admins are told, once for each change. Anything else:
    after 5, 10, 20 … minutes, at most 360. New credentials that somebody has saved meanwhile
    are not judged by what became of the old ones.
    """
    facts = {"problem": sentence(error)[:_LONGEST_PROBLEM], "updated_at": now}
    if isinstance(error, AuthenticationFailed):
        if _same_credentials(connection).update(status=Status.AUTH_FAILED, **facts):
            _tell(connection)
        return
    failures = connection.consecutive_failures + 1
    _same_credentials(connection).update(
        status=Status.UNREACHABLE,
        consecutive_failures=failures,
        backoff_until=now + backoff(failures),
        **facts,
    )


def backoff(failures: int) -> timedelta:
    """Return how long a mailbox is left alone after so many failures in a row."""
    minutes = SHORTEST_BACKOFF * 2 ** min(failures - 1, 10)
    return timedelta(minutes=min(minutes, LONGEST_BACKOFF))


def _same_credentials(connection: EmailConnection) -> "QuerySet[EmailConnection]":
    return EmailConnection.objects.filter(pk=connection.pk, revision=connection.revision)


def _tell(connection: EmailConnection) -> None:
    firm = connection.firm
    notify(
        [
            Draft(
                type=MAILBOX_SHUT,
                firm_id=firm.pk,
                recipient=person,
                dedupe_key=f"mailbox-shut:{connection.pk}:{connection.revision}",
                about=connection,
                context={"mailbox": connection.name, "firm": firm.name},
            )
            for person in in_charge([firm.pk]).get(firm.pk, [])
        ]
    )


# ---- by a person ----------------------------------------------------------------------------


def save_connection(
    *, connection: EmailConnection, secrets: Mapping[str, str], actor: User | None
) -> None:
    """Save a connection; of its credentials only those that are given are replaced.

    Whatever is changed, it is tried again with the next run. The audit trail names what was
    replaced and holds no secret.
    """
    given = {name: secret for name, secret in secrets.items() if secret}
    connection.secret = Secrets({**connection.secret, **given})
    connection.revision += connection.pk is not None
    connection.status, connection.problem = Status.OK, ""
    connection.consecutive_failures, connection.backoff_until = 0, None
    # Not the lease and what runs write down: one may be under way.
    fields = None
    if connection.pk is not None:
        kept = {"id", "lease", "lease_expires_at", "last_attempt_at", "last_sync_at"}
        columns = connection._meta.concrete_fields
        fields = [field.name for field in columns if field.name not in {*kept, "created_at"}]
    with transaction.atomic():
        connection.save(update_fields=fields)
        changes = {"replaced": sorted(given), "revision": connection.revision}
        record("mailbox_saved", connection, actor=actor, changes=changes)


def switch_connection(*, connection: EmailConnection, on: bool, actor: User | None) -> None:
    """Read a mailbox from now on, or no more; raises ``Problem`` if that is so already."""
    with transaction.atomic():
        same = EmailConnection.objects.filter(pk=connection.pk, is_active=not on)
        if not same.update(is_active=on):
            raise Problem(f"{connection} is switched {'on' if on else 'off'} already.")
        record(f"mailbox_switched_{'on' if on else 'off'}", connection, actor=actor)
    connection.is_active = on


def try_again(*, connection: EmailConnection, actor: User | None) -> None:
    """Read a mailbox with the next run, however long it was to be left alone.

    Raises ``Problem`` for one that waits for new credentials: saving those is what opens it.
    """
    if connection.status == Status.AUTH_FAILED:
        raise Problem(f"{connection} needs new credentials.")
    with transaction.atomic():
        waiting = EmailConnection.objects.filter(pk=connection.pk, status=Status.UNREACHABLE)
        if not waiting.update(backoff_until=None):
            raise Problem(f"{connection} is not waiting for anything.")
        record("mailbox_tried_again", connection, actor=actor)
