"""What people see who press something that would leave the building."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from apps.installations.leaving import SENTENCE, Strange


class SayStrange:
    """Answers with the guard's sentence, wherever a page came to a door."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        if not isinstance(exception, Strange):
            return None
        return render(request, "installations/strange.html", {"why": SENTENCE}, status=503)
