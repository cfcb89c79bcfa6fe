"""One mailbox in one run: claim it, read on where we stopped, say what came of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from uuid import UUID

from django.conf import settings
from django.db import OperationalError
from django.db.models import QuerySet

from apps.core.batches import batched
from apps.core.reports import Report
from apps.integrations.mailboxes import (
    Fetched,
    Folder,
    Listed,
    Mailbox,
    MailboxError,
    Refused,
    open_mailbox,
)
from apps.integrations.storage import Storage
from apps.mailbox.models import EmailConnection, EmailFolderState, EmailMessage
from apps.mailbox.parsing import read_message_id
from apps.mailbox.services.connections import (
    account_of,
    claim_connection,
    keep_connection,
    note_failure,
    note_success,
    release_connection,
)
from apps.mailbox.services.cursors import cursor_of, move_cursor, note_stuck, stuck_at
from apps.mailbox.services.files import give_up_files, keep_files
from apps.mailbox.services.letters import Letter, Place, key_of_id, read_letter
from apps.mailbox.services.storing import NEW, Reason, known_letters, store_page

CONNECTIONS = "connections synced"  # a tally
LOOK = 200  # letters looked at together; also whose files are fetched again in one run
PAGE, PAGE_BYTES = 100, 2_000_000  # letters fetched and stored together


class _Taken(Exception):  # noqa: N818 - a state of the mailbox, said as such
    """Our lease has lapsed, and another run has the mailbox."""


class _TimeIsUp(Exception):  # noqa: N818 - as above
    """The rest is left for the next run."""


@dataclass(slots=True)
class Tour:
    """What the visits of one run share."""

    report: Report
    now: datetime
    limit: int  # of new letters of a mailbox
    ends: float  # of ``time.monotonic()``
    storage: Storage
    storage_is_down: bool = False


@dataclass(slots=True)
class Visit:
    """One run's way with one mailbox."""

    tour: Tour
    connection: EmailConnection
    ours: frozenset[str]  # the firm's own addresses
    horizon: datetime  # what was received before is not stored
    claimed: bool = False  # a dry run's claim was rolled back
    new: int = 0
    gapless: bool = True  # every letter of the folder up to here is dealt with
    suspect: int = 0  # the letter of the folder at which the server broke off last
    hopeless: bool = False  # … too often to ask for it again
    refusals: list[str] = field(default_factory=list)  # of folders

    @property
    def report(self) -> Report:
        return self.tour.report

    @property
    def now(self) -> datetime:
        return self.tour.now

    @property
    def left(self) -> int:
        """How many new letters may still be stored."""
        return self.tour.limit - self.new

    def make(self) -> None:
        """Read what is new; whatever goes wrong concerns this mailbox alone."""
        with self.report.aside() as claim:
            lease = claim_connection(connection=self.connection, now=self.now)
        self.claimed = claim.committed
        if lease is None:
            says = f"{self.connection}: {Reason.TAKEN.label}"
            self.report.skip(self.connection, Reason.TAKEN, says)
            return
        try:
            self._read(lease)
        except MailboxError as error:
            with self.report.aside():
                note_failure(connection=self.connection, error=error, now=self.now)
            self.report.fail(self.connection, error)
        except OperationalError:
            raise  # the database is gone, or busy for too long: that is no mailbox's fault
        except Exception as error:
            self.report.fail(self.connection, error)
        finally:
            release_connection(connection=self.connection, lease=lease)

    def _read(self, lease: UUID) -> None:
        complete = True
        try:
            with closing(open_mailbox(account_of(self.connection))) as mailbox:
                for name in self.connection.folder_names:
                    self._read_folder(mailbox, name, lease)
        except _Taken:
            self.report.skip(self.connection, Reason.TAKEN)
            return
        except _TimeIsUp:
            complete = False
        with self.report.aside():
            note_success(
                connection=self.connection,
                at=self.now if complete and not self.refusals else None,
                problem="; ".join(self.refusals),
                now=self.now,
            )
        words = f"{self.new} new message{'s' * (self.new != 1)}"
        if not self.refusals:
            self.report.tallies[CONNECTIONS] += 1
            text = self.report.worded(f"{self.connection}: {words}", would=self._would(words))
            self.report.says(f"  ✓ {text}")

    def _would(self, words: str) -> str:
        return f"Would store {words} of {self.connection}"

    # ---- one folder -----------------------------------------------------------------------

    def _read_folder(self, mailbox: Mailbox, name: str, lease: UUID) -> None:
        try:
            folder = mailbox.open(name)
        except Refused as refused:
            # One folder that somebody has renamed does not keep the others shut.
            self.refusals.append(f"{refused}; there is {', '.join(mailbox.folders())}")
            self.report.fail(self.connection, refused, part=name)
            return
        place, last = self._place(folder)
        self.gapless = True
        self.suspect, self.hopeless = stuck_at(place)
        self._fetch_files_again(mailbox, place, lease)
        # A day earlier: a server goes by dates, in whatever zone it is.
        uids = mailbox.uids(above=last, since=(place.since - timedelta(days=1)).date())
        self.report.expect(min(len(uids), self.left))
        for some in batched(uids, LOOK):
            if not self._read_some(mailbox, place, some, lease):
                return
        self._pass(place, max([folder.highest, last, *uids[-1:]]))

    def _pass(self, place: Place, uid: int) -> None:
        """Leave letters behind that need nothing, unless one before them still does."""
        if self.gapless:
            with self.report.aside():
                move_cursor(place, uid)

    def _place(self, folder: Folder) -> tuple[Place, int]:
        """Return where we are, and the last UID that is dealt with."""
        states = EmailFolderState.objects.filter(connection=self.connection)
        state = states.filter(folder=folder.name).first()
        first_day = self.now - timedelta(days=settings.MAIL_FIRST_DAYS)
        place = Place(
            self.connection,
            folder.name,
            folder.uidvalidity,
            max(state.since if state else first_day, self.horizon),
            self.now,
            self.tour.storage,
            self.ours,
        )
        return place, cursor_of(place)

    def _read_some(
        self, mailbox: Mailbox, place: Place, uids: Sequence[int], lease: UUID
    ) -> bool:
        """Store what is new of some letters; tells whether to go on with the next."""
        waiting = self._wanted(place, mailbox.look(uids))
        while waiting:
            if self.left <= 0:
                return False
            page = self._page_of(waiting, most=min(PAGE, self.left))
            self._store(mailbox, place, page, lease)
            waiting = waiting[len(page) :]
        self._pass(place, uids[-1])
        return True

    def _wanted(self, place: Place, listed: Sequence[Listed]) -> list[Listed]:
        """Leave out what is too old, and what is known by its id and of the same size."""
        ids = {one.uid: key_of_id(read_message_id(one.message_id)) for one in listed}
        known = known_letters(self.connection, ids.values())
        return [
            one
            for one in listed
            if (one.received_at or self.now) >= place.since
            and known.get(ids[one.uid]) != one.size
        ]

    # ---- one page -------------------------------------------------------------------------

    def _store(
        self, mailbox: Mailbox, place: Place, page: Sequence[Listed], lease: UUID
    ) -> None:
        letters, problem = self._fetch(mailbox, place, page, lease)
        before = self.report.tallies[NEW]
        uids = [letter.uid for letter in letters]
        self.report.attempt_each(
            letters,
            partial(store_page, page=uids if self.gapless else ()),
            subject=lambda letter: letter.subject,
            size=PAGE,
        )
        self.new += self.report.tallies[NEW] - before
        # Not if a letter could not be stored at all, or is not in the preview that is being
        # applied: the next run has to meet it again.
        self.gapless = self.gapless and (not uids or cursor_of(place) >= uids[-1])
        self._keep_files(place, letters)
        if problem is not None:
            raise problem

    def _fetch(
        self, mailbox: Mailbox, place: Place, page: Sequence[Listed], lease: UUID
    ) -> tuple[list[Letter], MailboxError | None]:
        """Return the letters of a page that arrive whole, and what kept the rest away."""
        if time.monotonic() > self.tour.ends:
            raise _TimeIsUp
        if not keep_connection(connection=self.connection, lease=lease):
            raise _Taken
        letters: list[Letter] = []
        try:
            for one in self._arriving(mailbox, page):
                letters.append(_letter(place, page, one))
        except MailboxError as error:
            last = letters[-1].uid if letters else 0
            with self.report.aside():
                note_stuck(place, next(one.uid for one in page if one.uid > last))
            return letters, error
        return letters, None

    def _arriving(self, mailbox: Mailbox, page: Sequence[Listed]) -> Iterator[Fetched]:
        """Yield letters in ascending order, of those that are too large the header."""
        for large, some in groupby(page, key=lambda one: one.size > settings.MAIL_LARGEST):
            asked = list(some)
            if self.hopeless and asked[0].uid == self.suspect:
                yield Fetched(self.suspect, None)
            elif large:
                yield from mailbox.headers(asked)
            else:
                yield from mailbox.fetch(asked)

    def _page_of(self, listed: Sequence[Listed], *, most: int) -> Sequence[Listed]:
        """Return the first letters, as many as fit into memory; the suspect comes alone."""
        size = 0
        for number, one in enumerate(listed[:most]):
            size += one.size
            if number and (size > PAGE_BYTES or self.suspect in {one.uid, listed[0].uid}):
                return listed[:number]
        return listed[:most]

    # ---- raw copies and attachments --------------------------------------------------------

    def _keep_files(self, place: Place, letters: Sequence[Letter]) -> None:
        """Send what the letters' transactions announced.

        While the storage is down letters come in all the same; their files follow.
        """
        if not self.claimed or self.tour.storage_is_down:
            return
        by_uid = {letter.uid: letter.files for letter in letters}
        error = keep_files(
            messages=_waiting(place).filter(uid__in=by_uid),
            letters=by_uid,
            storage=place.storage,
            now=self.now,
        )
        if error is not None:
            self.tour.storage_is_down = True
            self.report.fail(self.connection, error, part="files")

    def _fetch_files_again(self, mailbox: Mailbox, place: Place, lease: UUID) -> None:
        """Fetch letters again whose files did not arrive in an earlier run."""
        messages = list(_waiting(place).order_by("uid")[:LOOK])
        if not messages or not self.claimed or self.tour.storage_is_down:
            return
        waiting = mailbox.look([message.uid for message in messages])
        there = {one.uid for one in waiting}
        with self.report.aside():
            gone = [message for message in messages if message.uid not in there]
            give_up_files(messages=gone, now=self.now)
        while waiting and not self.tour.storage_is_down:
            page = self._page_of(waiting, most=PAGE)
            letters, problem = self._fetch(mailbox, place, page, lease)
            self._keep_files(place, letters)
            if problem is not None:
                raise problem
            waiting = waiting[len(page) :]


def _waiting(place: Place) -> "QuerySet[EmailMessage]":
    """Return the letters of a folder whose files have not arrived yet."""
    return EmailMessage.objects.filter(
        connection=place.connection,
        folder=place.folder,
        uidvalidity=place.uidvalidity,
        files_due=True,
    ).only("uid")


def _letter(place: Place, page: Sequence[Listed], fetched: Fetched) -> Letter:
    listed = next(one for one in page if one.uid == fetched.uid)
    received_at = listed.received_at or place.now
    return read_letter(Letter(place, listed.uid, listed.size, received_at, fetched.raw))
