"""Where a request comes from."""

from django.conf import settings
from django.http import HttpRequest


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
