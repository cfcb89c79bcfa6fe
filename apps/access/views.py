"""Pages of the second factor, in the admin's shell; not everybody may see the admin itself."""

from base64 import b32encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import django_otp
import segno
from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.generic import FormView

from apps.access import services
from apps.access.forms import CodeForm
from apps.access.models import Authenticator
from apps.core.problems import Problem
from apps.firms.admin import who
from apps.firms.models import User

Page = Callable[..., HttpResponseBase]


def discreetly(page: Page) -> Page:
    """Keep a page to who is signed in, out of caches, and its codes out of error reports."""

    signed_in = login_required(page, login_url="admin:login")
    return sensitive_post_parameters()(never_cache(signed_in))


@discreetly
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show how it stands, and what can be done."""
    user = who(request)
    authenticator = Authenticator.objects.filter(user=user, confirmed=True).first()
    context = {
        "authenticator": authenticator,
        "left": authenticator.backup_codes.count() if authenticator else 0,
        "must": services.standing(user=user).must,
        "renewing": CodeForm(auto_id="renewing_%s"),
        "leaving": CodeForm(auto_id="leaving_%s"),
    }
    return _shown(request, "overview", _("Second factor"), context)


@discreetly
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """Make a new key, and go on to where it is shown."""
    try:
        services.begin_second_factor(user=who(request))
    except Problem as problem:
        messages.warning(request, str(problem))
        return redirect("second-factor:overview")
    return redirect("second-factor:set-up")


@discreetly
@require_http_methods(["GET", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """Show the key until a code proves that the phone has it; then the backup codes, once."""
    user = who(request)
    authenticator = Authenticator.objects.filter(user=user, confirmed=False).first()
    if authenticator is None:
        return redirect("second-factor:overview")
    form = CodeForm(request.POST or None)
    if form.is_valid():
        try:
            device, codes = services.confirm_second_factor(
                user=user, code=form.cleaned_data["code"]
            )
        except Problem as problem:
            form.add_error("code", str(problem))
        else:
            _let_in(request, device)
            return _codes(request, codes, _("Your second factor is on"))
    key = b32encode(authenticator.key).decode()
    context = {
        "form": form,
        "key": [key[at : at + 4] for at in range(0, len(key), 4)],
        "picture": _picture(user, key),
    }
    return _shown(request, "set_up", _("Set up your second factor"), context)


@method_decorator(discreetly, name="dispatch")
class Code(RedirectURLMixin, FormView[CodeForm]):
    """Asks for the code, and goes on to where one was sent here from."""

    form_class = CodeForm
    template_name = "access/code.html"

    def get_default_redirect_url(self) -> str:
        return _home(who(self.request))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**kwargs),
            **admin.site.each_context(self.request),
            "title": _("Second factor"),
            "has_permission": False,  # not yet: the shell leaves out what leads nowhere
            "next": self.get_redirect_url(),
        }

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not _is_asked(request):
            return redirect(self.get_success_url())
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        user = who(self.request)
        try:
            device = services.accept_code(user=user, code=form.cleaned_data["code"])
        except Problem as problem:
            form.add_error("code", str(problem))
            return self.form_invalid(form)
        _let_in(self.request, device)
        return super().form_valid(form)


@discreetly
@require_POST
def backup_codes(request: HttpRequest) -> HttpResponse:
    """Show new backup codes, once."""
    try:
        codes = services.renew_backup_codes(user=who(request), code=_typed(request))
    except Problem as problem:
        messages.error(request, str(problem))
        return redirect("second-factor:overview")
    return _codes(request, codes, _("Your new backup codes"))


@discreetly
@require_POST
def off(request: HttpRequest) -> HttpResponse:
    """Turn the second factor off."""
    try:
        services.turn_second_factor_off(user=who(request), code=_typed(request))
    except Problem as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, _("Your second factor is off."))
    return redirect("second-factor:overview")


def _typed(request: HttpRequest) -> str:
    form = CodeForm(request.POST)
    if not form.is_valid():
        raise Problem(_("Type a code."))
    return str(form.cleaned_data["code"])


def _is_asked(request: HttpRequest) -> bool:
    user = who(request)
    shown = user.otp_device is not None  # type: ignore[attr-defined]
    return not shown and services.standing(user=user).has


def _let_in(request: HttpRequest, device: Authenticator) -> None:
    """Remember that this session has shown the second factor, under a key of its own."""
    request.session.cycle_key()
    django_otp.login(request, device)


def _codes(request: HttpRequest, codes: list[str], title: str) -> HttpResponse:
    return _shown(request, "codes", title, {"codes": codes, "home": _home(who(request))})


def _shown(
    request: HttpRequest, page: str, title: str, context: dict[str, Any]
) -> HttpResponse:
    shell = admin.site.each_context(request)
    return render(request, f"access/{page}.html", {**shell, "title": title, **context})


def _home(user: User) -> str:
    return reverse("admin:index" if user.is_staff else "subscriptions:mine")


def _picture(user: User, key: str) -> str:
    """Return the key as a QR code: inline SVG that says everything in attributes."""
    label = quote(f"Nightshift:{user.get_username()}")
    asked = urlencode({"secret": key, "issuer": "Nightshift"})
    code = segno.make(f"otpauth://totp/{label}?{asked}", error="m", micro=False)
    return code.svg_inline(scale=5, border=4, dark="#000", light="#fff", title=_("QR code"))
