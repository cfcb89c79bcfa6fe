"""What staff do about an alert."""

from datetime import datetime

from django.db import transaction

from apps.audit.services import record
from apps.core.problems import Problem
from apps.firms.models import User
from apps.weather.models import WeatherAlert


def close_alert(
    *, alert: WeatherAlert, actor: User | None, reason: str, now: datetime
) -> WeatherAlert:
    """Say that it is over, whatever the weather services say.

    Nobody is told, and for twelve hours nobody is told again of the same. Raises ``Problem``
    when it was closed already.
    """
    with transaction.atomic():
        still_open = WeatherAlert.objects.open().filter(pk=alert.pk)
        if not still_open.update(closed_at=now, updated_at=now):
            raise Problem(f"{alert} is over already.")
        record("weather_alert_closed", alert, actor=actor, reason=reason)
    alert.refresh_from_db()
    return alert
