"""Who is signed in where: written down, so that it can be ended.

A sign-in is recorded when it happens, and from then on with the first request after every
``EVERY``, or at once when the session has got another key, as a new password gives it one.
The session itself remembers what was recorded: until then a request costs no query.
"""

from datetime import datetime, timedelta

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from apps.firms.models import User, UserSession

EVERY = timedelta(minutes=5)

_RECORDED = "recorded"  # in a session: the key it was recorded under, and when


def begin_session(*, session: SessionBase, user: User, now: datetime) -> None:
    """Record that somebody has signed in, and forget those sessions of theirs that are over.

    A session ends when its time from sign-in is over. Otherwise noting people's activity in
    it would make it last for as long as they come.
    """
    session.set_expiry(now + timedelta(seconds=session.get_session_cookie_age()))
    if session.session_key is None:  # emptied, because somebody else was signed in here
        session.save()
    sign_out(sessions=user.sign_ins.filter(expires_at__lte=now))
    _record(session, user, now)


def note_activity(*, session: SessionBase, user: User, now: datetime) -> None:
    """Record that somebody is still there, unless that was done a moment ago."""
    key, at = session.get(_RECORDED) or ("", 0.0)
    if key == session.session_key and now.timestamp() - at < EVERY.total_seconds():
        return
    _record(session, user, now)
    if key != session.session_key:
        user.sign_ins.filter(session_key=key).delete()


def forget_session(*, session: SessionBase) -> None:
    """Remove the record of a session that ends."""
    UserSession.objects.filter(session_key=session.session_key).delete()


def sign_out(*, sessions: "QuerySet[UserSession]") -> int:
    """End sessions, and return how many: whoever comes with one is asked to sign in."""
    keys = list(sessions.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    ended, _ = UserSession.objects.filter(session_key__in=keys).delete()
    return ended


def _record(session: SessionBase, user: User, now: datetime) -> None:
    UserSession.objects.update_or_create(
        session_key=session.session_key,
        defaults={
            "user": user,
            "firm_id": _only_firm(user),
            "last_activity_at": now,
            "expires_at": session.get_expiry_date(),
        },
    )
    session[_RECORDED] = [session.session_key, now.timestamp()]


def _only_firm(user: User) -> int | None:
    """Return the firm somebody works for, or nothing when there are several or none."""
    found = user.memberships.filter(is_active=True).values_list("firm", flat=True)[:2]
    firms: list[int] = list(found)
    return firms[0] if len(firms) == 1 else None
