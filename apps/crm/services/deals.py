"""The life of a deal: made, moved along its pipeline, changed, put to sleep."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, TypedDict, Unpack

from django.db import transaction

from apps.audit.services import record
from apps.contacts.models import Contact
from apps.core import money
from apps.core.problems import Problem
from apps.crm.models import Deal, DealActivity, Stage
from apps.firms.models import User
from apps.firms.rights import people_at


class Changes(TypedDict, total=False):
    """What may be changed about a deal."""

    title: str
    contact: Contact
    owner: User | None
    amount_minor: int
    close_date: date | None


# Changes of these show that somebody cares for the deal (spec D13).
TOUCHING = {"amount_minor": "Amount", "owner": "Owner", "close_date": "Close date"}


def create_deal(
    *,
    stage: Stage,
    contact: Contact,
    title: str,
    owner: User | None,
    amount_minor: int,
    currency: str,
    close_date: date | None,
    actor: User | None,
    now: datetime,
) -> Deal:
    """Begin a deal at a stage. ``amount_minor`` is in minor units of ``currency``.

    Raises ``Problem`` for a contact of another firm, or an owner who does not work there.
    """
    _check_within(stage.firm_id, contact=contact, owner=owner)
    with transaction.atomic():
        deal = Deal.objects.create(
            firm_id=stage.firm_id,
            pipeline_id=stage.pipeline_id,
            stage=stage,
            title=title,
            contact=contact,
            owner=owner,
            amount_minor=amount_minor,
            currency=currency,
            close_date=close_date,
            created_at=now,
            stage_entered_at=now,
        )
        record("deal_created", deal, actor=actor, changes={"stage": stage.pk})
    return deal


def move_deal(*, deal: Deal, stage: Stage, actor: User | None, now: datetime) -> Deal:
    """Move an open deal to another stage of its pipeline.

    Without an actor a machine did it, and the deal's idle days go on being counted. Raises
    ``Problem`` for a stage of another pipeline: its stages would mean something else.
    """
    with transaction.atomic():
        deal = lock_open(deal)
        if stage.pipeline_id != deal.pipeline_id:
            raise Problem(f"{stage} is a stage of another pipeline.")
        if stage.pk == deal.stage_id:
            raise Problem(f"{deal} is in {stage} already.")
        what = {"stage": [deal.stage_id, stage.pk]}
        deal.stage = stage
        if actor:
            deal.stage_entered_at = now
        save(deal, ("stage", "stage_entered_at"), "deal_moved", actor=actor, changes=what)
    return deal


def change_deal(
    *, deal: Deal, actor: User | None, now: datetime, **changes: Unpack[Changes]
) -> Deal:
    """Change what is known about an open deal.

    A person's change of amount, owner or close date is attention, and stands among the
    activities; without an actor a machine did it. Raises ``Problem`` when nothing would be
    different, and as ``create_deal`` does.
    """
    with transaction.atomic():
        deal = lock_open(deal)
        _check_within(deal.firm_id, contact=changes.get("contact"), owner=changes.get("owner"))
        before = {name: getattr(deal, name) for name in changes}
        changed = [name for name, after in changes.items() if after != before[name]]
        if not changed:
            raise Problem(f"Nothing about {deal} would change.")
        for name in changed:
            setattr(deal, name, changes[name])  # type: ignore[literal-required]
        if touching := [name for name in TOUCHING if name in changed]:
            words = "; ".join(_in_words(deal, name, before[name]) for name in touching)
            note_change(deal, words, actor=actor, now=now)
        what = {name: [_plain(before[name]), _plain(getattr(deal, name))] for name in changed}
        fields = (*changed, "last_activity_at")
        save(deal, fields, "deal_changed", actor=actor, changes=what)
    return deal


def snooze_deal(
    *, deal: Deal, until: date, today: date, actor: User | None, reason: str
) -> Deal:
    """Leave an open deal in peace until a day; from then on it may be stale again.

    ``today`` is the firm's date. The next check takes the flag off.
    """
    with transaction.atomic():
        deal = lock_open(deal)
        if until <= today:
            raise Problem(f"{until} is not in the future.")
        what = {"snoozed_until": [_plain(deal.snoozed_until), str(until)]}
        deal.snoozed_until = until
        fields = ("snoozed_until",)
        save(deal, fields, "deal_snoozed", actor=actor, changes=what, reason=reason)
    return deal


# ---- what everything that changes a deal shares -------------------------------------------


def lock_deal(deal: Deal) -> Deal:
    """Lock a deal until the transaction ends and return it as it is now."""
    rows = Deal.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("firm", "stage", "contact", "owner").get(pk=deal.pk)


def lock_open(deal: Deal) -> Deal:
    """Lock a deal that is neither won nor lost."""
    deal = lock_deal(deal)
    if deal.status != Deal.Status.OPEN:
        raise Problem(f"{deal} is {deal.get_status_display().lower()}.")
    return deal


def touch(deal: Deal, at: datetime) -> None:
    """Note that a person took care of a deal; what is logged late does not set it back."""
    deal.last_activity_at = max(deal.last_activity_at or at, at)


def note_change(deal: Deal, note: str, *, actor: User | None, now: datetime) -> None:
    """Put a change of a locked deal among its activities; saving the deal is the caller's."""
    DealActivity.objects.create(
        firm_id=deal.firm_id,
        deal=deal,
        type=DealActivity.Type.CHANGE,
        note=note,
        author=actor,
        occurred_at=now,
        is_automated=actor is None,
    )
    if actor:
        touch(deal, now)


def save(deal: Deal, fields: Iterable[str], action: str, **how: Any) -> None:
    """Save the changed fields of a locked deal, and write down who did it and why."""
    deal.save(update_fields=[*fields, "updated_at"])
    record(action, deal, **how)


def _check_within(firm_id: int, *, contact: Contact | None, owner: User | None) -> None:
    if contact is not None and contact.firm_id != firm_id:
        raise Problem(f"{contact} is a contact of another firm.")
    if owner is not None and not people_at(firm_id).filter(pk=owner.pk).exists():
        raise Problem(f"{owner} does not work here.")


def _in_words(deal: Deal, name: str, before: Any) -> str:
    """Say what became of a fact: ``Amount: $500.00 → $750.00``."""
    after = getattr(deal, name)
    if name == "amount_minor":
        before, after = (
            money.write_grouped(money.from_minor(minor, deal.currency))
            for minor in (before, after)
        )
    return f"{TOUCHING[name]}: {before or '–'} → {after or '–'}"


def _plain(value: Any) -> Any:
    """Return a value as the audit trail keeps it; of people and contacts their key."""
    if isinstance(value, User | Contact):
        return value.pk
    return str(value) if isinstance(value, date) else value
