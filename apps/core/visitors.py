"""Visitors: people whom a link brought here, and where their requests come from."""

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def address(request: HttpRequest) -> str:
    """Return the visitor's network address.

    Behind ``TRUSTED_PROXIES`` proxies it is what the outermost of ours wrote into
    ``X-Forwarded-For``; whatever stands left of that, anybody may have made up.
    """
    hops: int = settings.TRUSTED_PROXIES
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    if hops and len(forwarded) >= hops and forwarded[-hops].strip():
        return forwarded[-hops].strip()
    return str(request.META.get("REMOTE_ADDR") or "127.0.0.1")


def discreet(*, form_action: str | Callable[[], str] = "'self'") -> Callable[[View], View]:
    """Keep a page out of caches, search engines, frames and other sites' logs.

    ``form_action`` is where its forms may lead, redirects behind them included; a function
    is asked with each answer.
    """

    def hide(page: View) -> View:
        @wraps(page)
        def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            response = page(request, *args, **kwargs)
            targets = form_action if isinstance(form_action, str) else form_action()
            response["Cache-Control"] = "no-store"
            response["Content-Security-Policy"] = (
                f"default-src 'none'; style-src 'self'; form-action {targets}; "
                "base-uri 'none'; frame-ancestors 'none'"
            )
            response["Referrer-Policy"] = "no-referrer"
            response["X-Robots-Tag"] = "noindex"
            return response

        return answer

    return hide
