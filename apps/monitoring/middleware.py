"""Answers to whoever asks whether all is well, before anything else has a say.

A load balancer asks the process itself: without TLS, by an address that is in no
``ALLOWED_HOSTS``, without a session. Were these views, ``SecurityMiddleware`` would send it on
to https and ``CommonMiddleware`` would refuse the host, and a healthy process be taken out. So
they stand before all others; they read neither host, cookie nor body, and answer GET and HEAD.
"""

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed

from apps.monitoring import probes

ADDRESSES: Mapping[str, Callable[[HttpRequest], HttpResponse]] = {
    "/healthz": probes.healthz,
    "/readyz": probes.readyz,
    "/metrics": probes.metrics,
}


class Probes:
    """Answer at the three addresses; let everything else pass."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = ADDRESSES.get(request.path_info)
        if answer is None:
            return self._get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        response = answer(request)
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response
