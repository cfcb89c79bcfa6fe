"""Cards that customers have stored with the gateway, and what follows when one comes or goes.

The gateway keeps the card; we keep what it is called there. Events about cards come late,
twice and in any order: a card that has gone or cannot be charged never comes back because of
an old one.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from apps.audit.services import event, record, record_all
from apps.billing.models import BillingAccount, Invoice, PaymentMethod
from apps.billing.services.statuses import lock_account, lock_invoices
from apps.core.problems import Problem
from apps.firms.models import Firm, User
from apps.integrations.payments import Card, Payments

Status = PaymentMethod.Status
Autopay = Invoice.Autopay

# What a new card gives another chance (spec D2): a charge that is under way goes on.
WAITING_FOR_A_CARD = (Autopay.FAILED, Autopay.NEEDS_ACTION, Autopay.RETRYING)

EXPIRED = "expired_card"  # the gateway's word for it


def store_card(
    *, account: BillingAccount, provider: str, card: Card, now: datetime
) -> PaymentMethod:
    """Store what is known of a customer's new card, and charge it from now on.

    It becomes the account's default, and invoices that an older card could not pay are
    scheduled again, with all their attempts before them. A card that is known already is
    brought up to date and nothing else. Raises ``Problem`` for another customer's card.
    """
    with transaction.atomic():
        account = lock_account(account.pk)
        if card.customer and account.gateway_customer not in {"", card.customer}:
            raise Problem(f"The card {card.id} belongs to another customer.")
        method, created = PaymentMethod.objects.get_or_create(
            firm_id=account.firm_id,
            provider=provider,
            provider_ref=card.id,
            defaults={"account": account, **_printed(card)},
        )
        if method.account_id != account.pk:
            raise Problem(f"The card {card.id} belongs to another customer.")
        if not created:
            _bring_up_to_date(method, card)
            return method
        account.default_payment_method = method
        account.gateway_customer = account.gateway_customer or card.customer
        account.save(update_fields=["default_payment_method", "gateway_customer", "updated_at"])
        invoices = _try_again(account, now=now)
        record("card_stored", method, changes={"invoices": [str(one) for one in invoices]})
    return method


def update_card(*, firm: Firm, provider: str, card: Card) -> bool:
    """Note what a card network has changed on a stored card; False when it is not ours.

    One that was given up only because it had expired can be charged again with a later date.
    """
    with transaction.atomic():
        method = _find(firm, provider, card.id)
        if method is not None:
            _bring_up_to_date(method, card)
    return method is not None


def invalidate_card(*, method: PaymentMethod, reason: str, actor: User | None = None) -> bool:
    """Never charge a card again; False when it was not chargeable any more.

    ``reason`` is the gateway's decline code, or what a person says.
    """
    return _end(method, Status.INVALID, "card_invalidated", reason, actor)


def detach_card(*, firm: Firm, provider: str, provider_ref: str) -> bool:
    """Note that a card was taken away at the gateway; False when nothing changed here."""
    with transaction.atomic():
        method = _find(firm, provider, provider_ref)
        return method is not None and _end(method, Status.DETACHED, "card_detached")


def usable_cards(account_ids: Iterable[int]) -> dict[int, PaymentMethod]:
    """Return the card to be charged for each account that has one; one statement.

    The default one if it can be charged, else the newest that can. A printed expiry date
    that has passed does not matter: networks renew cards without a word.
    """
    is_default = When(account__default_payment_method=F("pk"), then=Value(0))
    cards = (
        chargeable_cards()
        .filter(account__in=set(account_ids))
        .alias(rank=Case(is_default, default=Value(1)))
        .order_by("account", "rank", "-created_at", "-pk")
    )
    found: dict[int, PaymentMethod] = {}
    for card in cards:
        found.setdefault(card.account_id, card)
    return found


def chargeable_cards() -> "QuerySet[PaymentMethod]":
    """Return the cards that can be charged."""
    return PaymentMethod.objects.filter(status=Status.ACTIVE)


def ensure_customer(*, account: BillingAccount, payments: Payments) -> str:
    """Return what the gateway calls a customer, who is made there when first needed.

    Not to be called inside a transaction. Two callers at once, or one after a crash, use the
    same key and are given the same customer.
    """
    if account.gateway_customer:
        return account.gateway_customer
    contact = account.contact
    name, email = str(contact), contact.email
    customer = payments.add_customer(
        name=name,
        email=email,
        key=key_for("customer", account.pk, name, email),
        metadata={"firm": str(account.firm_id), "account": str(account.pk)},
    )
    with transaction.atomic():
        BillingAccount.objects.filter(pk=account.pk, gateway_customer="").update(
            gateway_customer=customer, updated_at=Now()
        )
        account.refresh_from_db(fields=["gateway_customer"])
    return account.gateway_customer


def key_for(purpose: str, *parts: object) -> str:
    """Return the idempotency key of a request that is made of these parts.

    The same parts give the same key, on this installation only: another one that shares the
    gateway account has rows with the same numbers.
    """
    written = repr(parts)
    mac = salted_hmac(f"apps.billing.{purpose}", written, algorithm="sha256")
    return f"{purpose}-{mac.hexdigest()}"


# ---- inside -------------------------------------------------------------------------------


def _find(firm: Firm, provider: str, reference: str) -> PaymentMethod | None:
    known = PaymentMethod.objects.select_for_update(no_key=True)
    return known.filter(firm=firm, provider=provider, provider_ref=reference).first()


def _printed(card: Card) -> dict[str, object]:
    return {
        "brand": card.brand[:30],
        "last4": card.last4[:4],
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
    }


def _bring_up_to_date(method: PaymentMethod, card: Card) -> None:
    before = {name: getattr(method, name) for name in _printed(card)}
    changed = {
        name: [before[name], value]
        for name, value in _printed(card).items()
        if value != before[name]
    }
    if not changed:
        return
    for name, (_, value) in changed.items():
        setattr(method, name, value)
    was_expired = method.status == Status.INVALID and method.invalid_reason == EXPIRED
    if was_expired and _expiry(method) > (before["exp_year"] or 0, before["exp_month"] or 0):
        changed["status"] = [method.status, Status.ACTIVE]
        method.status, method.invalid_reason = Status.ACTIVE, ""
    method.save()
    record("card_updated", method, changes=changed)


def _expiry(method: PaymentMethod) -> tuple[int, int]:
    return (method.exp_year or 0, method.exp_month or 0)


def _end(
    method: PaymentMethod,
    status: PaymentMethod.Status,
    action: str,
    reason: str = "",
    actor: User | None = None,
) -> bool:
    before = (Status.ACTIVE, Status.INVALID) if status == Status.DETACHED else (Status.ACTIVE,)
    with transaction.atomic():
        ended = PaymentMethod.objects.filter(pk=method.pk, status__in=before).update(
            status=status, invalid_reason=reason[:60], updated_at=Now()
        )
        if ended:
            record(
                action,
                method,
                actor=actor,
                changes={"status": [method.status, status.value]},
                reason=reason,
            )
            method.status, method.invalid_reason = status, reason[:60]
    return bool(ended)


def _try_again(account: BillingAccount, *, now: datetime) -> list[Invoice]:
    """Schedule the invoices of a locked account that wait for a card that can be charged."""
    waiting = Invoice.objects.filter(account=account, autopay_status__in=WAITING_FOR_A_CARD)
    invoices = lock_invoices(waiting.collectable())
    Invoice.objects.filter(pk__in=[invoice.pk for invoice in invoices]).update(
        autopay_status=Autopay.SCHEDULED,
        autopay_failure_count=0,
        autopay_next_charge_at=now,
        updated_at=now,
    )
    record_all(
        event(
            "autopay_scheduled_again",
            invoice,
            changes={"autopay_status": [invoice.autopay_status, Autopay.SCHEDULED.value]},
            reason="the customer stored a new card",
        )
        for invoice in invoices
    )
    return invoices
