"""The National Weather Service's alerts (https://www.weather.gov/documentation/services-web-api).

Only the United States and their territories; asked for one point at a time.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings

from apps.integrations.asking import ask_at_once
from apps.integrations.weather import (
    Found,
    OfficialAlert,
    Place,
    Unreachable,
    WeatherError,
)
from apps.integrations.weather.wire import Wire

# /O.CON.KALY.TO.W.0015.250610T1200Z-250610T1300Z/: product class, action, office,
# phenomenon, significance, number of the event (https://www.weather.gov/vtec/).
_VTEC = re.compile(
    r"/(?P<product>[OTEX])\.(?P<action>[A-Z]{3})\."
    r"(?P<event>[A-Z]{4}\.[A-Z]{2}\.[A-Z]\.\d{4})\.[0-9TZ]+-[0-9TZ]+/"
)
_ENDED = frozenset({"CAN", "EXP", "UPG"})  # cancelled, expired, followed by a worse event
_LONGEST = 2_000  # letters of what people shall do


class WeatherService:
    """The authority that warns, for one run of a job."""

    def __init__(self, *, ends: float) -> None:
        # Without somebody to write to when we ask too much, the service answers 403.
        agent = f"Nightshift ({settings.SITE_URL}, {settings.WEATHER_CONTACT})"
        headers = {"User-Agent": agent, "Accept": "application/geo+json"}
        self._wire = Wire(headers, ends=ends)

    def alerts(self, places: Sequence[Place]) -> Found[Sequence[OfficialAlert]]:
        """Return what is in force at each place, or why it cannot be known."""
        return dict(zip(places, ask_at_once(self._alerts, places), strict=True))

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()

    def _alerts(self, place: Place) -> Sequence[OfficialAlert] | WeatherError:
        try:
            told = self._wire.ask(f"{settings.NWS_API}/alerts/active", {"point": str(place)})
            return read_alerts(told)
        except WeatherError as error:
            return error


def read_alerts(told: Any) -> list[OfficialAlert]:
    """Return the alerts of a GeoJSON collection; drills and tests are none.

    Raises ``Unreachable`` for anything that is no collection of alerts: who cannot read all
    of them must not believe that one has ended.
    """
    features = told.get("features") if isinstance(told, dict) else None
    if not isinstance(features, list):
        raise Unreachable("The weather service's answer has no alerts.")
    return [alert for feature in features for alert in _read(feature)]


def _read(feature: Any) -> Iterator[OfficialAlert]:
    """Yield what one message says, for each event that it is about."""
    message = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(message, dict) or not _text(message, "id"):
        raise Unreachable("The weather service's answer has an alert without an id.")
    if message.get("status") != "Actual":
        return
    codes = _codes(message)
    if codes and not any(code["product"] == "O" for code in codes):
        return  # a test of the numbering
    references = _references(message)
    is_cancelled = message.get("messageType") == "Cancel"
    events = [(c["event"], c["action"] in _ENDED) for c in codes if c["product"] == "O"]
    if not events:  # a product without event numbers
        earliest = min(references, key=lambda sent: sent[0], default=("", ""))[1]
        events = [(earliest or _text(message, "id"), False)]
    for key, has_ended in events:
        yield OfficialAlert(
            key=key[:200],
            message_id=_text(message, "id")[:200],
            replaces=frozenset(identifier for _, identifier in references),
            event=_text(message, "event")[:120] or "Weather alert",
            headline=_text(message, "headline")[:300],
            instruction=_text(message, "instruction")[:_LONGEST],
            severity=_text(message, "severity"),
            urgency=_text(message, "urgency"),
            certainty=_text(message, "certainty"),
            is_over=is_cancelled or has_ended,
        )


def _codes(message: Mapping[str, Any]) -> list[re.Match[str]]:
    """Return the codes with which a message numbers its events."""
    parameters = message.get("parameters")
    told = parameters.get("VTEC") if isinstance(parameters, dict) else None
    texts = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
    return [found for text in texts if (found := _VTEC.search(text))]


def _references(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return when the messages were sent that this one follows, and their ids."""
    told = message.get("references")
    known = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return [
        (_text(one, "sent"), identifier[:200])
        for one in known
        if (identifier := _text(one, "identifier"))
    ]


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value.strip() if isinstance(value, str) else ""
