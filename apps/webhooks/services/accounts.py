"""Which account at a provider is to be used, and which one is spoken to."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from apps.audit.services import record
from apps.core.fields import Secrets
from apps.core.problems import Problem
from apps.firms.models import User
from apps.webhooks.models import GatewayAccount

Status = GatewayAccount.Status


def find_account(*, firm_id: int | None, provider: str) -> GatewayAccount | None:
    """Return a firm's usable account at a provider, the platform's own without a firm.

    Usable is an active one of this host's mode: live keys are used in production only.
    """
    return usable_accounts(provider).filter(firm=firm_id).first()


def accounts_by_firm(*, provider: str, firm_ids: Iterable[int]) -> dict[int, GatewayAccount]:
    """Return the usable accounts of many firms at a provider, by the firm's key."""
    found = usable_accounts(provider).filter(firm__in=set(firm_ids))
    return {account.firm_id: account for account in found if account.firm_id}


def find_addressee(*, provider: str, key: UUID | None) -> GatewayAccount | None:
    """Return the account that a webhook's address names; without a key, the platform's own.

    A disabled account still hears its provider: money that is under way does not stop.
    """
    accounts = GatewayAccount.objects.filter(provider=provider)
    if key is not None:
        return accounts.filter(key=key).first()
    return accounts.filter(firm=None, livemode=settings.GATEWAY_LIVEMODE).first()


# ---- what people do -----------------------------------------------------------------------


def save_account(
    *, account: GatewayAccount, secrets: Mapping[str, str], actor: User | None
) -> None:
    """Save an account; of its credentials only those that are given are replaced.

    The audit trail names the replaced ones and holds none.
    """
    given = {name: secret for name, secret in secrets.items() if secret}
    account.credentials = Secrets({**account.credentials, **given})
    with transaction.atomic():
        account.save()
        changes = {"replaced": sorted(given)}
        record("gateway_account_saved", account, actor=actor, changes=changes)


def disable_account(*, account: GatewayAccount, actor: User | None) -> None:
    """Use an account no more; its provider is still heard. Raises ``Problem`` if it is off."""
    _switch(account, Status.DISABLED, "disabled", actor)


def enable_account(*, account: GatewayAccount, actor: User | None) -> None:
    """Use an account again; raises ``Problem`` if it is in use."""
    _switch(account, Status.ACTIVE, "enabled", actor)


# ---- inside -------------------------------------------------------------------------------


def usable_accounts(provider: str) -> QuerySet[GatewayAccount]:
    """Return the accounts at a provider that are active and of this host's mode."""
    return GatewayAccount.objects.filter(
        provider=provider,
        status=GatewayAccount.Status.ACTIVE,
        livemode=settings.GATEWAY_LIVEMODE,
    )


def _switch(account: GatewayAccount, to: Status, done: str, actor: User | None) -> None:
    with transaction.atomic():
        same = GatewayAccount.objects.filter(pk=account.pk).exclude(status=to)
        if not same.update(status=to):
            raise Problem(f"{account} is {done} already.")
        record(f"gateway_account_{done}", account, actor=actor)
    account.status = to
