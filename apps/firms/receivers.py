"""What Django tells of people who come and go."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from apps.firms.models import User
from apps.firms.services import begin_session, forget_session


def signed_in(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Record a sign-in, at whichever door."""
    begin_session(session=request.session, user=user, now=timezone.now())


def signed_out(*, request: HttpRequest, **_: Any) -> None:
    """Remove the record of a session that its owner ends."""
    forget_session(session=request.session)
