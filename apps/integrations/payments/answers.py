"""What Stripe knows, as we say it.

Whatever is missing or of another kind raises: an answer that is half understood is none.
"""

import re
from datetime import UTC, datetime
from typing import Any

from apps.integrations.payments import Card, Decline, Dispute, Intent, IntentStatus, Refund

_STILL_POSSIBLE = {IntentStatus.SUCCEEDED, IntentStatus.PROCESSING}


def read_intent(told: Any) -> Intent:
    """Return a payment intent, with what its latest charge says where that was expanded."""
    status = IntentStatus(told.status)
    charge = told.latest_charge
    expanded = None if charge is None or isinstance(charge, str) else charge
    error = told.last_payment_error
    return Intent(
        id=read_text(told.id),
        status=status,
        amount=_whole(told.amount),
        received=_whole(told.amount_received),
        currency=read_text(told.currency).upper(),
        created_at=_instant(told.created),
        livemode=bool(told.livemode),
        customer=_id(told.customer),
        payment_method=_id(told.payment_method),
        method_type=_method_type(told, expanded),
        metadata=told.metadata.to_dict() if told.metadata else {},
        decline=read_decline(error) if error and status not in _STILL_POSSIBLE else None,
        refunded=_whole(expanded.amount_refunded) if expanded else 0,
        disputed=bool(expanded.disputed) if expanded else False,
    )


def _method_type(told: Any, charge: Any) -> str:
    """Return how it is paid: what the charge says, else what the intent allows first."""
    details = charge.payment_method_details if charge else None
    types = told.payment_method_types
    return read_text(details.type if details else types[0])


def read_refund(told: Any) -> Refund:
    """Return a refund."""
    return Refund(
        id=read_text(told.id),
        intent_id=_id(told.payment_intent),
        amount=_whole(told.amount),
        currency=read_text(told.currency).upper(),
        status=read_text(told.status),
        created_at=_instant(told.created),
    )


def read_dispute(told: Any) -> Dispute:
    """Return a dispute."""
    return Dispute(
        id=read_text(told.id),
        intent_id=_id(told.payment_intent),
        amount=_whole(told.amount),
        currency=read_text(told.currency).upper(),
        status=read_text(told.status),
        created_at=_instant(told.created),
    )


def read_card(told: Any) -> Card:
    """Return what may be shown of a card, or of a bank account that stands in for one."""
    details = getattr(told, told.type)
    card = told.type == "card"
    name = details.brand if card else (getattr(details, "bank_name", None) or told.type)
    return Card(
        id=read_text(told.id),
        customer=_id(told.customer),
        brand=read_text(name).replace("_", " "),
        last4=getattr(details, "last4", None) or "",
        exp_month=_whole(details.exp_month) if card else None,
        exp_year=_whole(details.exp_year) if card else None,
    )


def _id(told: Any) -> str:
    """Return the id of something that may be missing, an id, or the thing itself."""
    if told is None:
        return ""
    return told if isinstance(told, str) else read_text(told.id)


def read_text(told: Any) -> str:
    """Return a text that must be there."""
    if not isinstance(told, str) or not told:
        raise TypeError
    return told


def _whole(told: Any) -> int:
    if not isinstance(told, int) or isinstance(told, bool):
        raise TypeError
    return told


def _instant(told: Any) -> datetime:
    return datetime.fromtimestamp(_whole(told), UTC)


def seconds_of(instant: datetime) -> int:
    """Return an instant as Stripe counts it."""
    return int(instant.timestamp())


def read_decline(told: Any) -> Decline:
    """Return why a bank declined, as far as Stripe says."""
    code = getattr(told, "decline_code", None) or getattr(told, "code", None)
    advice = getattr(told, "advice_code", None)
    return Decline(code=read_word(code) or "generic_decline", advice=read_word(advice))


def read_word(told: Any) -> str:
    """Return one of Stripe's words for what happened; anything else, like a key, is none."""
    return told if isinstance(told, str) and re.fullmatch(r"[a-z_]{1,60}", told) else ""
