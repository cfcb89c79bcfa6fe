"""What has to change so that a firm's people are who its directory says: decided, not done."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.directory.models import DirectoryConnection, DirectoryIdentity
from apps.directory.services.known import (
    Known,
    addresses_of,
    erased,
    holders_of,
    linked_people,
    taken_names,
    unlinked_members,
)
from apps.directory.services.naming import choose_name, fitted, name_wishes
from apps.directory.services.reading import Reading, is_over
from apps.discrepancies.models import Discrepancy
from apps.discrepancies.services import Finding
from apps.firms.models import Membership, Role, User
from apps.integrations.directory import Person

State = DirectoryIdentity.State
Blocked = Membership.BlockedBy

ACCOUNT = ("first_name", "last_name", "email")  # what of an account a directory knows
_WORDS = {
    "first_name": "first name",
    "last_name": "last name",
    "dn": "place",
    "upn": "sign-in name",
    "sam_account_name": "account",
    "account_expires_at": "expiry",
    "state": "state",
}


class Action(StrEnum):
    CREATE = "created"
    UPDATE = "updated"
    DEACTIVATE = "deactivated"
    REACTIVATE = "reactivated"


class Conflict(StrEnum):
    """What a person has to decide, because guessing could give one's account to another."""

    ADDRESS_TAKEN = "address_taken"
    ADDRESS_SHARED = "address_shared"
    ACCOUNT_SHARED = "account_shared"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one person."""

    action: Action
    identity: DirectoryIdentity  # as it is to be; unsaved for whoever is new or to be linked
    known: Known | None = None  # nobody: an account is to be made
    account: Mapping[str, str] = field(default_factory=dict)  # columns of the account
    grants: frozenset[Role] = frozenset()
    revokes: frozenset[Role] = frozenset()
    fields: tuple[str, ...] = ()  # what changes, in words
    links: bool = False  # the account was here before the directory told of them

    @property
    def effect(self) -> str:
        """The change without anything of the person, to be compared with a preview."""
        return f"{self.action.value}: {', '.join(self.fields)}"


@dataclass(slots=True)
class Plan:
    """Everything that is to be done about a firm's people."""

    changes: list[Change] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)  # linked people that the directory told of
    unchanged: int = 0
    erased: int = 0
    active: int = 0  # linked people with an active membership, before anything is done

    @property
    def deactivated(self) -> list[Change]:
        return [one for one in self.changes if one.action == Action.DEACTIVATE]


def plan_changes(connection: DirectoryConnection, reading: Reading, *, now: datetime) -> Plan:
    """Compare a directory with what we know, and decide; nothing is written.

    People are told apart by objectGUID alone. Whoever is not linked is linked to the one
    member of the firm whose address is theirs, or gets an account. An address that several of
    them have, or that belongs to somebody else, is for a person to look at.
    """
    return _Planner(connection, reading, now).plan()


class _Planner:
    def __init__(
        self, connection: DirectoryConnection, reading: Reading, now: datetime
    ) -> None:
        self.connection, self.reading, self.now = connection, reading, now
        self.known = linked_people(connection)
        self.made = Plan(active=sum(known.is_active for known in self.known.values()))
        self.mapped = frozenset(reading.members)
        self.authoritative = {
            row.field for row in connection.attributes.all() if row.is_authoritative
        }
        people = reading.people.values()
        self.new = [one for one in people if one.guid not in self.known]
        self.holders = holders_of(
            email for one in people if (email := _email(one)) and self._is_news(one, email)
        )

    def plan(self) -> Plan:
        for guid, known in self.known.items():
            self._decide(guid, known)
        self._decide_new([one for one in self.new if not self._is_inactive(one)])
        return self.made

    # ---- who is linked --------------------------------------------------------------------

    def _decide(self, guid: str, known: Known) -> None:
        person = self.reading.people.get(guid)
        if person is not None:
            self.made.seen.append(guid)
        state = self._state(guid, known, person)
        heard = person is not None or state != known.identity.state
        change = self._change(known, person, state, heard=heard or self.reading.is_full)
        if change is not None:
            self.made.changes.append(change)
        else:
            self.made.unchanged += 1

    def _state(self, guid: str, known: Known, person: Person | None) -> State:
        """Return what somebody is there. Only a full reading knows who is missing."""
        before = State(known.identity.state)
        if person is not None:
            return State.DISABLED if self._is_inactive(person) else State.ACTIVE
        if guid in self.reading.deleted:
            return State.TOMBSTONED
        if self.reading.is_full:
            return State.TOMBSTONED if before == State.TOMBSTONED else State.MISSING
        if before == State.ACTIVE and is_over(known.identity.account_expires_at, self.now):
            return State.DISABLED  # which is no change over there
        return before

    def _is_inactive(self, person: Person) -> bool:
        return person.is_disabled or is_over(person.expires_at, self.now)

    def _change(
        self,
        known: Known,
        person: Person | None,
        state: State,
        *,
        heard: bool,
        new: bool = False,
    ) -> Change | None:
        identity, membership = known.identity, known.membership
        is_active, action = known.is_active, Action.UPDATE
        if heard and is_active and state != State.ACTIVE:
            is_active, action = False, Action.DEACTIVATE
        elif state == State.ACTIVE and membership is not None and _may_return(known):
            is_active, action = True, Action.REACTIVATE
        wanted = dict(self._facts(person)) if person is not None else {}
        wanted["state"] = state.value
        account = self._account(known, person) if person is not None else {}
        grants, revokes = self._roles(known, is_active)
        before = {name: getattr(identity, name) for name in wanted}
        changed = [name for name, value in wanted.items() if value != before[name]]
        words = [*account, *changed, *(["roles"] if grants or revokes else [])]
        if action == Action.UPDATE and not words and not new:
            return None
        for name in changed:
            setattr(identity, name, wanted[name])
        if action != Action.UPDATE:
            identity.deactivated_by_sync = action == Action.DEACTIVATE
        fields = tuple(_WORDS.get(word, word) for word in words)
        return Change(action, identity, known, account, grants, revokes, fields)

    def _facts(self, person: Person) -> Iterator[tuple[str, Any]]:
        """Yield what an identity remembers of a person, and how it is to be."""
        yield "sam_account_name", fitted(DirectoryIdentity, "sam_account_name", _label(person))
        yield "dn", person.dn
        yield "upn", person.upn
        yield "account_expires_at", person.expires_at
        if "title" in person.values or "title" in self.authoritative:
            title = person.values.get("title", "")
            yield "title", fitted(DirectoryIdentity, "title", title)

    def _account(self, known: Known, person: Person) -> dict[str, str]:
        """Return what of somebody's account changes, unless it is not this firm's alone."""
        user, changed = known.identity.user, dict[str, str]()
        if user.erased_at is not None:
            return {}
        for name in ACCOUNT:
            value = _value(person, name)
            blank = not value and name in self.authoritative and name not in person.values
            if (value or blank) and value != getattr(user, name):
                changed[name] = value
        email = changed.get("email", "")
        if known.is_shared:
            if email and email.lower() != user.email.lower():
                self._note(Conflict.ACCOUNT_SHARED, person)
            return {}
        if email and self.holders.get(email.lower(), user.pk) != user.pk:
            self._note(Conflict.ADDRESS_TAKEN, person)
            del changed["email"]
        elif email:
            self.holders[email.lower()] = user.pk
        return changed

    def _roles(self, known: Known, is_active: bool) -> tuple[frozenset[Role], frozenset[Role]]:
        """Return which roles are to be given and taken. Roles that no group gives stay."""
        if not is_active or (not self.mapped and known.roles):
            return frozenset(), frozenset()
        wanted = (known.roles - self.mapped) | self._given(known.identity.object_guid)
        wanted = wanted or frozenset({Role(self.connection.default_role)})
        return wanted - known.roles, known.roles - wanted

    def _given(self, guid: str) -> frozenset[Role]:
        return frozenset(role for role, ids in self.reading.members.items() if guid in ids)

    # ---- who is new -----------------------------------------------------------------------

    def _decide_new(self, people: Sequence[Person]) -> None:
        gone = erased(self.connection.firm_id, people)
        self.made.erased = len(gone)
        people = sorted((one for one in people if one.guid not in gone), key=lambda p: p.guid)
        members = unlinked_members(self.connection)
        told = Counter(address for one in people for address in addresses_of(one))
        makes: list[Person] = []
        for person in people:
            addresses = addresses_of(person)
            found = {
                known.identity.user_id: known
                for address in addresses
                for known in members.get(address, ())
            }
            email = (_email(person) or "").lower()
            if any(told[address] > 1 for address in addresses) or len(found) > 1:
                self._note(Conflict.ADDRESS_SHARED, person)
            elif found:
                [known] = found.values()
                self._link(person, known)
            elif email and email in self.holders:
                self._note(Conflict.ADDRESS_TAKEN, person)
            else:
                makes.append(person)
        self._make(makes)

    def _link(self, person: Person, known: Known) -> None:
        known.identity.object_guid = person.guid
        change = self._change(known, person, State.ACTIVE, heard=True, new=True)
        assert change is not None
        words = [_WORDS.get(name, name) for name in change.account]
        fields = ("linked", *words, *(["roles"] if change.grants or change.revokes else []))
        self.made.changes.append(replace(change, fields=fields, links=True))

    def _make(self, people: Sequence[Person]) -> None:
        slug = self.connection.firm.slug
        wanted = [name_wishes(_label(one), guid=one.guid, slug=slug) for one in people]
        taken = taken_names(name for wishes in wanted for name in wishes)
        for person, wishes in zip(people, wanted, strict=True):
            name = choose_name(wishes, taken, guid=person.guid)
            taken.add(name)
            identity = DirectoryIdentity(
                firm_id=self.connection.firm_id,
                connection=self.connection,
                object_guid=person.guid,
                **dict(self._facts(person)),
            )
            account = {word: _value(person, word) for word in ACCOUNT} | {"username": name}
            roles = self._given(person.guid) or {Role(self.connection.default_role)}
            self.made.changes.append(
                Change(Action.CREATE, identity, account=account, grants=frozenset(roles))
            )

    # ---- what a person has to look at -------------------------------------------------------

    def _note(self, kind: Conflict, person: Person) -> None:
        remote, local = _STATES[kind]
        self.made.findings.append(
            Finding(
                kind=kind.value,
                subject_key=person.guid,
                label=_label(person),
                remote_state=remote,
                local_state=local,
                severity=Discrepancy.Severity.WARNING,
            )
        )

    def _is_news(self, person: Person, email: str) -> bool:
        known = self.known.get(person.guid)
        return known is None or known.identity.user.email.lower() != email.lower()


_STATES = {
    Conflict.ADDRESS_TAKEN: (
        "has an address in the directory",
        "it belongs to another account here",
    ),
    Conflict.ADDRESS_SHARED: (
        "has an address that does not tell people of the directory apart",
        "nobody can be linked by it",
    ),
    Conflict.ACCOUNT_SHARED: (
        "has another address in the directory",
        "the account here is not this firm's alone",
    ),
}


def _may_return(known: Known) -> bool:
    """Whether the directory itself had shut somebody out; a person's block survives."""
    membership = known.membership
    return (
        membership is not None
        and not membership.is_active
        and membership.blocked_by == Blocked.DIRECTORY
        and known.identity.deactivated_by_sync
    )


def _label(person: Person) -> str:
    return person.account or person.guid


def _value(person: Person, name: str) -> str:
    """Return a column of an account as the directory has it, or nothing."""
    if name == "email":
        return _email(person) or ""
    return fitted(User, name, person.values.get(name, ""))


def _email(person: Person) -> str | None:
    """Return somebody's address, if it is one."""
    email = person.values.get("email", "")
    try:
        validate_email(email)
    except ValidationError:
        return None
    return email if len(email) <= 254 else None
