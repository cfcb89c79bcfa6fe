"""What stands between a person and every page."""

from collections.abc import Callable

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from apps.firms.models import User
from apps.firms.services import note_activity

# Pages that also who must change their password may see: the ways out, a script of the form.
STILL_OPEN = (
    *("admin:logout", "subscriptions:sign-out", "admin:jsi18n"),
    "second-factor:code",  # which is asked for first
)

Answer = Callable[[HttpRequest], HttpResponseBase]


class MustChangePassword:
    """Shows whoever must change their password nothing but the page where they do.

    Such a password was written on a command line, where others may have read it (spec C-33).
    At whichever door they came in; afterwards they go on to where they wanted to be.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user = request.user
        if not (isinstance(user, User) and user.must_change_password):
            return self.get_response(request)
        here = reverse("admin:password_change")
        if request.path_info in {here, *map(reverse, STILL_OPEN)}:
            return self.get_response(request)
        if request.method in {"GET", "HEAD"}:
            return redirect_to_login(request.get_full_path(), here)
        return HttpResponse(
            "Change your password first.", status=403, content_type="text/plain"
        )


class NoteActivity:
    """Keeps the record of who is signed in up to date, so that it can be ended.

    After the page, which may have given the session another key.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        user = request.user
        if isinstance(user, User):
            note_activity(session=request.session, user=user, now=timezone.now())
        return answer
