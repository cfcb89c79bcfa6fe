"""What renters have earned by paying on time, or early (spec D24). Touches no database."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.core import days
from apps.core.reports import Subject
from apps.leasing.models import RewardConfiguration, RewardGrant


@dataclass(frozen=True, slots=True)
class RentMonth:
    """One rent invoice of a renter, and when its principal was covered."""

    invoice: Invoice
    month: date
    property_id: int
    today: date  # at the property
    covered_on: date | None
    grace_end: date

    def on_time(self, *, with_grace: bool) -> bool:
        """Late fees do not matter; a bounce or refund makes it late again."""
        due = self.invoice.due_date
        assert due is not None  # issued invoices have one
        last = max(due, self.grace_end) if with_grace else due
        return self.covered_on is not None and self.covered_on <= last

    @property
    def decided(self) -> bool:
        """Paid already, or past its due date; before that an unpaid month says nothing."""
        due = self.invoice.due_date
        return self.covered_on is not None or (due is not None and due < self.today)


@dataclass(slots=True)
class History:
    """A renter, the months they were invoiced for, oldest first, and what they have got."""

    contact: Contact
    months: list[RentMonth] = field(default_factory=list)
    grants: list[RewardGrant] = field(default_factory=list)

    @property
    def label(self) -> str:
        return self.contact.user.get_username() if self.contact.user else str(self.contact)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A reward that a renter has earned and not got yet."""

    history: History
    configuration: RewardConfiguration
    months: tuple[RentMonth, ...]
    key: str
    words: str

    @property
    def subject(self) -> Subject:
        return Subject.of(self.history.contact, part=self.key, label=self.history.label)

    @property
    def account_id(self) -> int:
        return self.months[-1].invoice.account_id


def streak(months: Sequence[RentMonth], *, with_grace: bool = False) -> list[RentMonth]:
    """Return the months on time without a break up to now, oldest first.

    Walks back from the newest decided month. Several invoices of one month are on time
    together or not at all; a month without any invoice ends the streak.
    """
    by_month: dict[date, list[RentMonth]] = defaultdict(list)
    for one in months:
        if one.decided:
            by_month[one.month].append(one)
    found: list[RentMonth] = []
    expected: date | None = None
    for month in sorted(by_month, reverse=True):
        if expected is not None and month != expected:
            break
        if not all(one.on_time(with_grace=with_grace) for one in by_month[month]):
            break
        found.append(by_month[month][0])
        expected = days.add_months(month, -1)
    return found[::-1]


def proposals(
    history: History, programmes: Mapping[int, Sequence[RewardConfiguration]]
) -> Iterator[Proposal]:
    """Yield what a renter has earned of the firms' programmes (by firm) and not got yet."""
    for programme in programmes.get(history.contact.firm_id, []):
        months = [one for one in history.months if _counts(one, programme)]
        if programme.kind == RewardConfiguration.Kind.STREAK:
            yield from _streak_proposals(history, programme, months)
        else:
            yield from _prepayment_proposals(history, programme, months)


def _streak_proposals(
    history: History, programme: RewardConfiguration, months: Sequence[RentMonth]
) -> Iterator[Proposal]:
    run = streak(months, with_grace=programme.count_grace_as_on_time)
    whole = streak(
        [one for one in history.months if _of_kind(one, programme)],
        with_grace=programme.count_grace_as_on_time,
    )
    used = _months_used(history, programme)
    size = programme.threshold
    rounds = len(run) // size if programme.repeatable else min(1, len(run) // size)
    for index in range(rounds):
        earned = tuple(run[index * size : (index + 1) * size])
        if used.isdisjoint(one.month for one in earned):
            key = f"{programme.pk}:{earned[0].month:%Y-%m}"
            words = f"{len(whole)}-month streak, reward {{amount}} ({size}-month streak)"
            yield Proposal(history, programme, earned, key, words)


def _prepayment_proposals(
    history: History, programme: RewardConfiguration, months: Sequence[RentMonth]
) -> Iterator[Proposal]:
    keys = {grant.qualifying_key for grant in history.grants}
    for one in months:
        due = one.invoice.due_date
        assert due is not None
        key = f"{programme.pk}:invoice {one.invoice.pk}"
        if one.covered_on is None or one.invoice.open_minor or key in keys:
            continue
        early = (due - one.covered_on).days
        if early >= programme.threshold:
            words = f"{one.invoice.number} paid {early} days early, reward {{amount}}"
            yield Proposal(history, programme, (one,), key, words)


def _of_kind(one: RentMonth, programme: RewardConfiguration) -> bool:
    """No conversion between currencies; a property's programme is for its own renters."""
    return one.invoice.currency == programme.currency and (
        programme.property_id in (None, one.property_id)
    )


def _counts(one: RentMonth, programme: RewardConfiguration) -> bool:
    due = one.invoice.due_date
    assert due is not None
    ends = programme.ends_on
    return (
        _of_kind(one, programme)
        and due >= programme.starts_on
        and (ends is None or due <= ends)
    )


def _months_used(history: History, programme: RewardConfiguration) -> set[date]:
    """The months that earlier, not reversed grants of a programme have used up."""
    used = set()
    for grant in history.grants:
        if grant.configuration_id == programme.pk and grant.state == RewardGrant.State.GRANTED:
            month = grant.covers_from
            while month <= grant.covers_to:
                used.add(month)
                month = days.add_months(month, 1)
    return used


def doubtful(history: History) -> Iterator[RewardGrant]:
    """Yield the streak grants whose months are not all on time any more."""
    for grant in history.grants:
        programme = grant.configuration
        if (
            grant.state != RewardGrant.State.GRANTED
            or grant.needs_review
            or programme.kind != RewardConfiguration.Kind.STREAK
        ):
            continue
        with_grace = programme.count_grace_as_on_time
        if any(
            grant.covers_from <= one.month <= grant.covers_to
            and _of_kind(one, programme)
            and not one.on_time(with_grace=with_grace)
            for one in history.months
        ):
            yield grant
