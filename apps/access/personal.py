"""What is held about people because they sign in."""

from axes.models import AccessAttempt, AccessAttemptExpiration, AccessFailureLog, AccessLog
from django.db.models import Q

from apps.access.models import Authenticator, BackupCode
from apps.core.personal import Basis, Holding, People, by_user
from apps.firms.models import User


def _by_name(people: People, path: str = "username") -> Q:
    names = User.objects.filter(pk__in=people.users).values("username")
    return Q(**{f"{path}__in": names})


_ATTEMPT = ("username", "attempt_time", "ip_address", "user_agent", "path_info")

HOLDINGS = (
    # ---- the second factor --------------------------------------------------------------
    Holding(
        BackupCode,
        category="second factors",
        of=by_user("authenticator__user"),
        firm="",
        secret=("digest",),
    ),
    Holding(
        Authenticator,
        category="second factors",
        of=by_user("user"),
        firm="",
        exports=("name", "confirmed", "created_at", "last_used_at"),
        secret=("secret",),
    ),
    # ---- who failed to sign in, until they may try again --------------------------------
    Holding(
        AccessAttemptExpiration,  # never written: AXES_USE_ATTEMPT_EXPIRATION is off
        category="failed sign-ins",
        of=lambda people: _by_name(people, "access_attempt__username"),
        firm="",
        basis=Basis.OBSERVED,
    ),
    Holding(
        AccessAttempt,
        category="failed sign-ins",
        of=_by_name,
        firm="",
        basis=Basis.OBSERVED,
        exports=(*_ATTEMPT, "failures_since_start"),
        plain=("http_accept",),
        secret=("get_data", "post_data"),  # with every value masked that says something
    ),
    Holding(
        AccessFailureLog,  # never written: AXES_ENABLE_ACCESS_FAILURE_LOG is off
        category="failed sign-ins",
        of=_by_name,
        firm="",
        basis=Basis.OBSERVED,
        exports=_ATTEMPT,
        plain=("http_accept",),
    ),
    Holding(
        AccessLog,  # never written: AXES_DISABLE_ACCESS_LOG is on
        category="failed sign-ins",
        of=_by_name,
        firm="",
        basis=Basis.OBSERVED,
        exports=(*_ATTEMPT, "logout_time"),
        plain=("http_accept",),
        secret=("session_hash",),
    ),
)
