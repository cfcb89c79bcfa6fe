"""Repeat the erasures that a restored database has forgotten (spec D8)."""

from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID, uuid5

from apps.audit.services import record
from apps.contacts.models import Contact, Tombstone
from apps.contacts.services import put_up_tombstones
from apps.core.days import Clock
from apps.core.personal import People
from apps.core.problems import Problem
from apps.core.reports import Report, Skip, Subject
from apps.firms.models import Firm
from apps.notifications.models import Suppression
from apps.privacy.models import ErasureRequest
from apps.privacy.services.erasing.journal import Entry, read_entry, unknown_keys
from apps.privacy.services.erasing.reasons import Reason
from apps.privacy.services.erasing.running import Run

HOW = "Taken from the journal: carried out before the database was restored."

Status = ErasureRequest.Status


def replay_erasures(*, dry_run: bool = False) -> Report:
    """Repeat the erasures that a database restored from a backup does not know of.

    Every erasure is also written into a journal beside the stored files, as ids and keyed
    hashes. What of it the database does not know is taken up again as an approved request
    and carried out, its tombstones and suppressions are put up again; all that may block an
    erasure still does. Somebody is recognised by their id together with a former address,
    because in a restored database an id may have been given to somebody else. Run it after
    each restore; daily it finds nothing.
    """
    clock = Clock.read()

    def summary(report: Report) -> list[str]:
        verb = report.worded("Repeated", would="Would repeat")
        return [f"{verb} {report.tallies['repeated']} erasures of the journal."]

    report = Report(dry_run=dry_run, summary=summary)
    try:
        keys = unknown_keys()
    except Problem as problem:
        report.fail(Subject("privacy.journal", "", "The journal"), problem)
        return report
    for key in keys:
        _replay(report, key, clock.now)
    return report


def _replay(report: Report, key: str, now: datetime) -> None:
    subject = Subject("privacy.erasurerequest", key, f"Erasure {key}")
    try:
        entry = read_entry(key)
    except Problem as problem:
        report.fail(subject, problem)
        return
    recalled = list[ErasureRequest]()
    with report.attempt(subject) as item:
        if not _keep_out(entry, now) and entry.still_here() == People():
            raise Skip(Reason.NOBODY_LEFT)
        recalled += _recall(entry)
        item.does("repeat", tally="repeated")
        item.says(f"Repeating erasure {key}", would=f"Would repeat erasure {key}")
    if item.committed:
        for request in recalled:
            run = Run(request, now, at_once=True)
            run.carry_out(report)
            report.says(f"  {run.closing(report)}")


def _keep_out(entry: Entry, now: datetime) -> bool:
    """Put up what keeps the person out, and tell whether any of it was missing."""
    before = _count()
    firms = set(Firm.objects.filter(pk__in=entry.firms).values_list("pk", flat=True))
    if entry.firm is None or entry.firm in firms:
        digests = [(kind, digest) for kind, digest in entry.tombstones]
        put_up_tombstones(firm_id=entry.firm, digests=digests, at=now)
    Suppression.objects.bulk_create(
        [
            Suppression(
                firm_id=int(firm_id),
                channel=channel,
                address_hash=digest,
                reason=Suppression.Reason.ERASED,
            )
            for firm_id, channel, digest in entry.suppressions
            if int(firm_id) in firms
        ],
        ignore_conflicts=True,
    )
    return _count() > before


def _count() -> int:
    return Tombstone.objects.count() + Suppression.objects.count()


def _recall(entry: Entry) -> Iterator[ErasureRequest]:
    """Yield the requests by which the people that are here again are erased once more.

    The same request, if its account or contact is there; of an account that the backup does
    not have yet, one for each of its contacts.
    """
    people = entry.still_here()
    whole = ErasureRequest(
        firm_id=entry.firm,
        user_id=entry.user if entry.user in people.users else None,
        contact_id=entry.contact if entry.contact in people.contacts else None,
    )
    if whole.user_id or (whole.contact_id and whole.firm_id):
        yield _approved(entry, whole, UUID(entry.key))
        return
    for contact in Contact.objects.filter(pk__in=people.contacts).order_by("pk"):
        part = ErasureRequest(firm_id=contact.firm_id, contact=contact)
        yield _approved(entry, part, uuid5(UUID(entry.key), str(contact.pk)))


def _approved(entry: Entry, wanted: ErasureRequest, key: UUID) -> ErasureRequest:
    """Return the request of that key, new or known from before it was executed, approved."""
    request, _ = ErasureRequest.objects.update_or_create(
        key=key,
        defaults={"status": Status.APPROVED, "verified_how": HOW, "blocked_by": []},
        create_defaults={
            "firm_id": wanted.firm_id,
            "user_id": wanted.user_id,
            "contact_id": wanted.contact_id,
            "law": entry.law,
            "received_on": date.fromisoformat(entry.received_on),
            "due_on": date.fromisoformat(entry.due_on),
            "status": Status.APPROVED,
            "verified_how": HOW,
        },
    )
    record("erasure_replayed", request)
    return request
