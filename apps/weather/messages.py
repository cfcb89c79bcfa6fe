"""The words in which people are warned."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.notifications.models import Channel, Notification
from apps.notifications.types import Category, NotificationType, Words
from apps.weather.models import WeatherAlert
from apps.weather.units import Measure, local

Kind = WeatherAlert.Kind

_SAYS = {
    Measure.HEAT: "It feels like {value} at {home} now.",
    Measure.COLD: "In the wind it feels like {value} at {home} now.",
    Measure.WIND: "The wind at {home} blows at {value} now.",
    Measure.GUST: "Gusts at {home} reach {value} now.",
}
_ADVICE = {
    Kind.HEAT: "Drink water, keep the sun out, and look after neighbours who live alone. Call "
    "for help when somebody is confused or faints.",
    Kind.COLD: "Stay inside if you can, cover your skin if you cannot, and let taps drip so "
    "that pipes do not freeze.",
    Kind.WIND: "Bring in what the wind could carry away, stay inside, and keep away from "
    "windows and trees.",
    Kind.SEVERE: "Please do what the authorities say.",
}


def _weather_alert(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    kind, home = Kind(facts["kind"]), facts["home"]
    subject = f"{facts['name'][:1].upper()}{facts['name'][1:]} at {home}"
    if kind == Kind.SEVERE:
        lines = [facts["headline"] or f"{facts['name']} for {home}."]
        advice = facts["instruction"] or _ADVICE[kind]
    else:
        measure, value = Measure(facts["measure"]), Decimal(facts["value"])
        shown = local(measure, value, facts["zone"])
        subject += f": {shown}"
        lines, advice = [_SAYS[measure].format(value=shown, home=home)], _ADVICE[kind]
    if facts["upgraded"]:
        subject = f"Upgraded: {subject}"
        lines.insert(0, "This alert has been upgraded: it is worse than when we wrote to you.")
    return Words(" ".join(subject.split()), "\n\n".join([*lines, advice]))


def _is_over(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which alerts came too late: the weather is over."""
    keys = [int(one.subject_id) for one in notifications]
    still = set(WeatherAlert.objects.open().filter(pk__in=keys).values_list("pk", flat=True))
    return {one.pk: "over" for one in notifications if int(one.subject_id) not in still}


_COMMON: dict[str, Any] = {
    "category": Category.SAFETY,
    "write": _weather_alert,
    "channels": (Channel.EMAIL, Channel.SMS, Channel.IN_APP),
    "still_wanted": _is_over,
}
WEATHER_ALERT = NotificationType("weather_alert", **_COMMON)
URGENT_WEATHER_ALERT = NotificationType(
    "urgent_weather_alert", **_COMMON, ignores_quiet_hours=True
)

TYPES: tuple[NotificationType, ...] = (WEATHER_ALERT, URGENT_WEATHER_ALERT)
