"""What an erasure covers: whose data, in which firms, and whether the account goes with it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from apps.contacts.models import Contact
from apps.core.personal import People, blockers, holdings
from apps.firms.models import Firm, Membership, User
from apps.privacy.models import ErasureRequest
from apps.privacy.services.erasing.marks import Marks
from apps.privacy.services.erasing.seeking import Seeker
from apps.privacy.services.people import people_of


@dataclass(frozen=True)
class Covers:
    """Keys only, as they were when the erasure began: afterwards nothing leads to them."""

    people: People
    firms: tuple[int, ...]
    account: bool  # the account goes, and what belongs to no firm with it

    @classmethod
    def of(cls, request: ErasureRequest, marks: "Marks | None" = None) -> Self:
        """Find out what a request covers.

        A firm erases what it holds itself. An account that other firms use, or that runs the
        platform, is left alone then.
        """
        people = whom(request)
        if request.firm_id is not None:
            goes = bool(people.users) and not _is_used_elsewhere(people, request.firm_id)
            return cls(people, (request.firm_id,), goes)
        seeker = Seeker(Marks.of(people) if marks is None else marks)
        return cls(people, tuple(sorted({*_about(people), *_telling_of(seeker)})), True)

    @property
    def people_outside(self) -> People:
        """Whose rows of no firm go; an account that stays keeps its own."""
        users = self.people.users if self.account else frozenset[int]()
        return People(users, self.people.contacts)

    def kept(self) -> dict[str, Any]:
        """Return it for a column."""
        return {
            "users": sorted(self.people.users),
            "contacts": sorted(self.people.contacts),
            "firms": list(self.firms),
            "account": self.account,
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Self:
        """Return what was kept."""
        people = People(frozenset(kept["users"]), frozenset(kept["contacts"]))
        return cls(people, tuple(kept["firms"]), kept["account"])


def whom(request: ErasureRequest) -> People:
    """Return whom a request means: the account, and what firms know its owner as."""
    contact = request.contact
    people = People(frozenset(), frozenset([contact.pk] if contact else []))
    account = request.user or (contact.user if contact else None)
    if account is not None:
        known = people_of(account)
        people = People(known.users, known.contacts | people.contacts)
    if request.firm_id is None:
        return people
    theirs = Contact.objects.filter(firm=request.firm_id, pk__in=people.contacts)
    return People(people.users, frozenset(theirs.values_list("pk", flat=True)))


def why_blocked(covers: Covers, firm_ids: Iterable[int]) -> list[str]:
    """Return what has to be settled in firms before anything may be erased, as sentences."""
    return [
        sentence
        for firm_id in firm_ids
        for blocker in blockers()
        for sentence in blocker(covers.people, firm_id)
    ]


# ---- inside -------------------------------------------------------------------------------


def _is_used_elsewhere(people: People, firm_id: int) -> bool:
    users = {"user__in": people.users}
    return (
        User.objects.filter(pk__in=people.users, is_superuser=True).exists()
        or Membership.objects.filter(**users).exclude(firm=firm_id).exists()
        or Contact.objects.present().filter(**users).exclude(firm=firm_id).exists()
    )


def _about(people: People) -> Iterator[int]:
    """Yield the firms that hold anything about somebody."""
    for holding in holdings():
        if holding.of is not None and holding.firm:
            rows = holding.model._base_manager.filter(holding.of(people))
            firms = rows.exclude(**{f"{holding.firm}__isnull": True}).order_by()
            yield from firms.values_list(holding.firm, flat=True).distinct()


def _telling_of(seeker: Seeker) -> Iterator[int]:
    """Yield the firms in whose texts somebody is spoken of."""
    for holding in holdings():
        if not holding.told or not holding.firm:
            continue
        model = holding.model
        if holding.search is not None:
            keys: Any = set(holding.search(seeker.finds))
        else:
            rows = model._base_manager.exclude(**{f"{holding.firm}__isnull": True})
            keys = {row.pk for row, _ in seeker.speaking(rows, holding.told)}
        firms = Firm.objects.filter(
            pk__in=model._base_manager.filter(pk__in=keys).values(holding.firm)
        )
        yield from firms.values_list("pk", flat=True)
