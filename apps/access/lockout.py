"""What whoever guessed passwords for too long is told."""

import math
from datetime import timedelta
from typing import Any

from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.core.visitors import address


def locked_out(
    request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Say when to try again; whether there is such a person, nobody learns from it."""
    cool_off: timedelta = settings.AXES_COOLOFF_TIME
    name = get_client_username(request, credentials)
    last = AccessAttempt.objects.filter(username=name, ip_address=address(request))
    begun = last.order_by("-attempt_time").values_list("attempt_time", flat=True).first()
    now = timezone.now()
    left = ((begun or now) + cool_off - now).total_seconds()
    minutes = max(math.ceil(left / 60), 1)
    response = render(request, "access/locked_out.html", {"minutes": minutes}, status=429)
    response["Retry-After"] = str(max(math.ceil(left), 1))
    return response
