"""How far a folder has been read, and where the server lets us down again and again."""

from django.db.models import F, QuerySet

from apps.mailbox.models import EmailFolderState
from apps.mailbox.services.letters import Place

MOST_TRIES = 5  # of a letter at which the connection breaks; spread over an hour by back-off


def move_cursor(place: Place, uid: int) -> None:
    """Note that a folder has been read up to a UID. Must run inside a transaction.

    A cursor only goes forward, unless the server has numbered its letters anew.
    """
    same = _state(place)
    if same.filter(last_uid__lt=uid).update(last_uid=uid) or same.exists():
        return
    anew = EmailFolderState.objects.filter(connection=place.connection, folder=place.folder)
    if not anew.update(uidvalidity=place.uidvalidity, last_uid=uid, stuck_uid=0, stuck_times=0):
        EmailFolderState.objects.create(
            firm_id=place.connection.firm_id,
            connection=place.connection,
            folder=place.folder,
            uidvalidity=place.uidvalidity,
            last_uid=uid,
            since=place.since,
        )


def cursor_of(place: Place) -> int:
    """Return the last UID of a folder that is dealt with, as it is numbered now."""
    return next(iter(_state(place).values_list("last_uid", flat=True)), 0)


def note_stuck(place: Place, uid: int) -> None:
    """Count that the server broke off at a letter. Must run inside a transaction."""
    move_cursor(place, 0)  # the first letter of all may be the one
    state = _state(place)
    if not state.filter(stuck_uid=uid).update(stuck_times=F("stuck_times") + 1):
        state.update(stuck_uid=uid, stuck_times=1)


def stuck_at(place: Place) -> tuple[int, bool]:
    """Return the letter at which the server broke off last, and whether to ask no more for it.

    Some servers hang up whenever they are asked for a letter that they have damaged: for ever,
    if we asked for ever, and with that one letter all that came after it would be lost.
    """
    rows = _state(place).values_list("stuck_uid", "stuck_times")
    uid, times = next(iter(rows), (0, 0))
    return uid, times >= MOST_TRIES


def _state(place: Place) -> "QuerySet[EmailFolderState]":
    return EmailFolderState.objects.filter(
        connection=place.connection, folder=place.folder, uidvalidity=place.uidvalidity
    )
