"""What stands between somebody whose password was right and every page."""

from collections.abc import Callable

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from apps.access.services import standing
from apps.firms.models import User

# The ways out, and a script of the forms.
STILL_OPEN = ("admin:logout", "subscriptions:sign-out", "admin:jsi18n")
CODE = "second-factor:code"
SET_UP = "second-factor:overview"
SETTING_UP = (SET_UP, "second-factor:begin", "second-factor:set-up")

Answer = Callable[[HttpRequest], HttpResponseBase]


class SecondFactor:
    """Asks for the second factor at whichever door one came in, and for one to be set up.

    Stands behind django-otp's middleware, which knows whether this session has shown it: then
    no query is spent. A new password comes before a new second factor, and after an old one.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user = request.user
        if not isinstance(user, User) or user.otp_device is not None:  # type: ignore[attr-defined]
            return self.get_response(request)
        stands = standing(user=user)
        if stands.has:
            return self._only(request, (CODE,), "Type the code of your second factor first.")
        if stands.must and not user.must_change_password:
            return self._only(request, SETTING_UP, "Set up your second factor first.")
        return self.get_response(request)

    def _only(self, request: HttpRequest, pages: tuple[str, ...], why: str) -> HttpResponseBase:
        here = {reverse(name) for name in (*pages, *STILL_OPEN)}
        if request.path_info in here:
            return self.get_response(request)
        if request.method in {"GET", "HEAD"}:
            return redirect_to_login(request.get_full_path(), reverse(pages[0]))
        return HttpResponse(why, status=403, content_type="text/plain")
