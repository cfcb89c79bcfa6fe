"""Erase somebody in one firm, or from what belongs to no firm, in one transaction.

What each table does is said by the apps' pages (``personal.py``); the order is said here:
what must be done outside is written down first, then what the law wants kept is copied to
the records that stay, rows go before those they point to, and only then is the person taken
out of what others have told.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from apps.audit.services import event
from apps.contacts.models import Contact, Tombstone
from apps.contacts.services import bury
from apps.core.batches import batched
from apps.core.personal import Fate, Holds, People, Step, holdings
from apps.core.reports import Skip
from apps.firms.models import Firm, User
from apps.firms.services import holds_of
from apps.notifications.models import Channel, Suppression
from apps.notifications.services import suppress
from apps.privacy.models import (
    ErasureAction,
    ErasurePart,
    ErasureRequest,
    ErasureStep,
    StatutoryPeriod,
)
from apps.privacy.services.erasing.covering import Covers, why_blocked
from apps.privacy.services.erasing.marks import Kind, Marks, shared
from apps.privacy.services.erasing.reasons import Reason
from apps.privacy.services.erasing.rows import Rows, occupied, ordered
from apps.privacy.services.erasing.seeking import Seeker
from apps.privacy.services.erasing.steps import plan_steps
from apps.privacy.services.erasing.tallies import Decided, Decision, Tally
from apps.privacy.services.periods import period_of

# What is done at the end of each erasure.
LEDGER_VIEWS = "ledger_views"  # reports that were filled before are filled again
JOURNAL = "journal"
MENTIONS = "mentions elsewhere"  # what is told about somebody in the data of others
NEEDED = "needed elsewhere"
HELD = "legal hold"

_RECORD = (ErasureRequest, ErasurePart, ErasureAction, ErasureStep)
_CHANNELS = {Kind.EMAIL: Channel.EMAIL, Kind.PHONE: Channel.SMS}
_TOMBSTONES = {Kind.EMAIL: Tombstone.Kind.EMAIL, Kind.PHONE: Tombstone.Kind.PHONE}


@dataclass
class Part:
    """One transaction's worth of an erasure."""

    request: ErasureRequest
    covers: Covers
    everywhere: Marks  # what the person is recognised by
    firm: Firm | None
    now: datetime
    again: bool = False  # it was done once, and a hold has been released since

    @property
    def firm_id(self) -> int | None:
        return self.firm.pk if self.firm else None

    @property
    def people(self) -> People:
        return self.covers.people if self.firm else self.covers.people_outside

    @cached_property
    def holds(self) -> Holds:
        """What a legal hold keeps; what belongs to no firm is held by any of them."""
        if self.firm:
            return holds_of(self.firm.pk)
        found = [holds_of(firm_id) for firm_id in self.covers.firms]
        users = frozenset().union(*(one.of("firms.user") for one in found))
        return Holds(keys={"firms.user": users})

    @property
    def is_held(self) -> bool:
        """Whether the person is held, so that nothing said of them may change either."""
        held = self.holds.people
        return bool(held.users & self.people.users or held.contacts & self.people.contacts)

    @cached_property
    def shared(self) -> Marks:
        return Marks(shared(self.everywhere, self.people, self.firm_id))

    @cached_property
    def marks(self) -> Marks:
        """What is looked for here: not what somebody else is recognised by, too."""
        return self.everywhere.without(self.shared.all)

    @cached_property
    def period(self) -> StatutoryPeriod:
        """How long the law of the firm's country has records kept."""
        return period_of(self.firm.country if self.firm else "")

    @property
    def zone_name(self) -> str:
        return self.firm.timezone if self.firm else "UTC"

    @cached_property
    def tables(self) -> list[Rows]:
        """The tables that may hold rows of the firm, or of no firm; who points comes first.

        Those that are empty when the transaction begins are left out; the search for traces
        looks again. The record of what was asked and done stays: there it is nobody's.
        """
        pages = [replace(p, of=None) if p.model in _RECORD else p for p in holdings()]
        used = occupied(page.model for page in pages)
        tables = (
            Rows(page, self.firm_id, self.people, self.holds)
            for page in pages
            if page.model in used
        )
        return ordered(rows for rows in tables if rows.has_any)

    def count_held(self) -> int:
        """Return how many rows a legal hold keeps as they are."""
        return sum(rows.held.count() for rows in self.tables if rows.holding.of is not None)


def erase_part(part: Part) -> Tally:
    """Erase somebody in a part, and return what was done.

    Must run in a transaction. Inserting the claim comes first: whoever does the same part at
    the same moment waits here, and then finds it done. Raises ``Skip`` then, and when there
    is something to settle again.
    """
    if part.again:
        part.request.parts.filter(firm=part.firm).delete()
    _, claimed = ErasurePart.objects.get_or_create(
        request=part.request, firm=part.firm, defaults={"done_at": part.now}
    )
    if not claimed:
        raise Skip(Reason.DONE_MEANWHILE)
    if reasons := why_blocked(part.covers, [part.firm.pk] if part.firm else []):
        raise Skip(Reason.BLOCKED, f"Blocked: {'; '.join(reasons)}")
    tally = Tally()
    steps = [step for rows in part.tables for step in _outside(rows)]
    if part.firm is None:
        steps += [Step(LEDGER_VIEWS, "all"), Step(JOURNAL, str(part.request.key))]
    buried = _to_be_buried(part)
    _count_held(part, tally)
    _retain(part, tally)
    _let_go(part, tally)
    _blank(part, tally)
    if not part.is_held:
        _forget_authors(part)
        _retell(part, tally)
        _never_again(part, buried)
    _write_down(part, tally, steps)
    return tally


# ---- what is about the person -------------------------------------------------------------


def _outside(rows: Rows) -> Iterable[Step]:
    return rows.holding.outside(rows.going) if rows.holding.outside else ()


def _count_held(part: Part, tally: Tally) -> None:
    for rows in part.tables:
        if rows.holding.of is not None:
            held = rows.held.count()
            tally.add(rows.holding.category, Decision.HELD, held, reason=HELD)


def _retain(part: Part, tally: Tally) -> None:
    """Restrict what the law wants kept: first the records that others hang on."""
    for rows in reversed(part.tables):
        if rows.holding.fate != Fate.RETAIN or not (count := rows.kept.count()):
            continue
        if rows.holding.keeps is not None:
            rows.holding.keeps(rows.kept)
        until = rows.retain(part.period, now=part.now, zone_name=part.zone_name)
        reason = part.period.reason
        tally.add(rows.holding.category, Decision.RETAINED, count, until=until, reason=reason)


def _let_go(part: Part, tally: Tally) -> None:
    """Delete what is to be erased; what others stand on that stay becomes nobody's."""
    for rows in part.tables:
        if rows.holding.of is None or rows.holding.fate != Fate.ERASE:
            continue
        category = rows.holding.category
        tally.add(category, Decision.ERASED, rows.let_go())
        if rows.holding.becomes:
            tally.add(category, Decision.ANONYMISED, rows.blank(rows.going, part.now))
        else:
            tally.add(category, Decision.RETAINED, rows.going.count(), reason=NEEDED)


def _blank(part: Part, tally: Tally) -> None:
    """Write over what stays; also over records that the law does not want kept."""
    for rows in part.tables:
        holding = rows.holding
        if holding.of is None or holding.fate == Fate.ERASE:
            continue
        if holding.erase is not None:
            tally.add(holding.category, Decision.ERASED, holding.erase(rows.going))
        else:
            blanked = rows.blank(rows.going, part.now)
            tally.add(holding.category, Decision.ANONYMISED, blanked)


# ---- what is about others -----------------------------------------------------------------


def _forget_authors(part: Part) -> None:
    """Let nobody have done what the person did with the data of others."""
    keys = {User: part.people.users, Contact: part.people.contacts}
    for rows in part.tables:
        for name in rows.holding.authors:
            related: Any = rows.holding.model._meta.get_field(name).related_model
            theirs = rows.scoped.filter(**{f"{name}__in": keys[related]})
            theirs.exclude(pk__in=rows.all_held.values("pk")).update(**{name: None})


def _retell(part: Part, tally: Tally) -> None:
    """Take the person out of what is told elsewhere: messages, notes, the record of runs."""
    seeker = Seeker(part.marks)
    for rows in part.tables:
        if not rows.holding.told or not seeker.marks:
            continue
        if rows.holding.search is not None:
            _retell_unsearchable(part, rows, seeker, tally)
        else:
            changed = sum(
                _rewrite(part, rows, some, seeker) for some in _mentions(rows, seeker)
            )
            tally.add(MENTIONS, Decision.ANONYMISED, changed)


def _mentions(rows: Rows, seeker: Seeker) -> Iterator[Sequence[tuple[Any, list[str]]]]:
    open_to_change = rows.scoped.exclude(pk__in=rows.untouchable.values("pk"))
    return batched(seeker.speaking(open_to_change, rows.holding.told))


def _rewrite(
    part: Part, rows: Rows, mentions: Sequence[tuple[Any, list[str]]], seeker: Seeker
) -> int:
    """Write the texts of some rows anew; all of them told columns, so that one update does."""
    holding = rows.holding
    for row, columns in mentions:
        for name in columns:
            if holding.of is None and name in holding.becomes:
                value = rows.becomes(name, row.pk, part.now)
            else:
                value = _fitting(holding.model, name, seeker.without(getattr(row, name)))
            setattr(row, name, value)
    holding.model._base_manager.bulk_update([row for row, _ in mentions], holding.told)
    return len(mentions)


def _fitting(model: Any, name: str, value: Any) -> Any:
    """Return a text no longer than its column: what stands for a short name is longer."""
    longest = model._meta.get_field(name).max_length
    return value[:longest] if longest and isinstance(value, str) else value


def _retell_unsearchable(part: Part, rows: Rows, seeker: Seeker, tally: Tally) -> None:
    holding = rows.holding
    assert holding.search is not None
    for keys in batched(list(holding.search(seeker.finds))):
        found = rows.scoped.filter(pk__in=keys).exclude(pk__in=rows.untouchable.values("pk"))
        if not (count := found.count()):
            continue
        if holding.retells is not None:
            gone = holding.retells(found, seeker.without)
        elif set(holding.told) & set(holding.becomes):
            gone = 0
            told = [name for name in holding.told if name in holding.becomes]
            rows.write(found, told, part.now)
        else:
            gone = rows.drop(found)
        tally.add(MENTIONS, Decision.ERASED, gone)
        tally.add(MENTIONS, Decision.ANONYMISED, count - gone)


# ---- no way back --------------------------------------------------------------------------


def _to_be_buried(part: Part) -> dict[Tombstone.Kind, set[str]]:
    """Collect, while they are still there, the ids by which a machine would bring them back."""
    found: dict[Tombstone.Kind, set[str]] = defaultdict(set)
    for mark, kind in _TOMBSTONES.items():
        found[kind] |= set(part.marks.texts(mark))
    for rows in part.tables:
        for name, named in rows.holding.buried.items():
            ids = rows.free.exclude(**{name: ""}).values_list(name, flat=True)
            found[Tombstone.Kind(named)] |= {str(one) for one in ids}
    return found


def _never_again(part: Part, buried: Mapping[Tombstone.Kind, Iterable[str]]) -> None:
    """Let no machine bring the person back, and no letter reach them."""
    if part.firm and not part.request.is_everywhere:
        bury(firm_id=part.firm.pk, former=buried, erased_at=part.now)
    elif part.request.is_everywhere:
        bury(firm_id=None, former=buried, erased_at=part.now)
    if part.firm:
        for kind, channel in _CHANNELS.items():
            for address in part.marks.texts(kind):
                suppress(
                    firm_id=part.firm.pk,
                    channel=channel,
                    address=address,
                    reason=Suppression.Reason.ERASED,
                )


def _write_down(part: Part, tally: Tally, steps: Sequence[Step]) -> None:
    """Record what was done and what is to be done outside, figures and keys only.

    When the part was taken up again because a hold was released, it is added to what had
    been done before.
    """
    before = part.request.actions.filter(firm=part.firm)
    tally.merge(
        Decided(one.category, Decision(one.decision), one.rows)
        for one in before.filter(decision__in=[Decision.ERASED, Decision.ANONYMISED])
    )
    before.delete()
    ErasureAction.objects.bulk_create(
        ErasureAction(
            request=part.request,
            firm=part.firm,
            category=one.category,
            decision=one.decision,
            rows=one.rows,
            retained_until=one.until,
            reason=one.reason,
        )
        for one in tally
    )
    plan_steps(part.request, steps, firm=part.firm, now=part.now)
    figures = {str(decision): tally.total(decision) for decision in Decision}
    done = event("person_erased", part.request, changes=figures)
    done.firm, done.occurred_at = part.firm, part.now
    done.save(force_insert=True)
