"""What there is to say of properties' weather: asked of the services, outside transactions."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import TextChoices

from apps.core.problems import Problem
from apps.core.reports import Report, Subject
from apps.integrations.weather import (
    Nowhere,
    Observation,
    OfficialAlert,
    OfficialAlerts,
    Place,
    Weather,
    WeatherError,
)
from apps.leasing.models import Property
from apps.weather.models import WeatherAlert
from apps.weather.services import readings
from apps.weather.services.readings import Reading, State
from apps.weather.services.thresholds import Limits, limits_of
from apps.weather.units import is_warned_officially, metric

Kind, Severity = WeatherAlert.Kind, WeatherAlert.Severity

OLDEST = timedelta(hours=2)  # an observation counts for so long

# What an official alert must be to be passed on (spec D20).
_SEVERITIES = {"Severe": Severity.SEVERE, "Extreme": Severity.EXTREME}
_URGENCIES, _CERTAINTIES = {"Immediate", "Expected"}, {"Observed", "Likely"}


class WeatherReason(TextChoices):
    """Why nobody is warned."""

    NO_COORDINATES = "no_coordinates", "no coordinates"
    TOO_OLD = "too_old", "the observation is too old"
    ALREADY = "already", "alerted of before"
    AGAIN_SOON = "again_soon", "the last alert ended less than 12 hours ago"
    MEANWHILE = "meanwhile", "another run was first"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return self in {WeatherReason.ALREADY, WeatherReason.MEANWHILE}


def is_somewhere(home: Property) -> bool:
    """Tell whether it is known where a property is."""
    return home.latitude is not None and home.longitude is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of weather at a property, or one official event there."""

    home: Property
    today: date  # there
    at: datetime  # when it was so
    kind: WeatherAlert.Kind
    state: State
    severity: WeatherAlert.Severity
    name: str  # "extreme heat", "Tornado Warning"
    key: str = ""
    words: str = ""  # "extreme heat 41.0°C (threshold 39.4°C)"
    message_id: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)  # for those who are told

    @property
    def subject(self) -> Subject:
        return Subject.of(self.home, part=f"{self.kind}:{self.key}".rstrip(":"))


@dataclass(frozen=True)
class Lookout:
    """Asks the services about properties, and tells what is to be done about it."""

    report: Report
    weather: Weather
    official: OfficialAlerts
    today: date
    now: datetime

    def findings(self, homes: Sequence[Property]) -> Iterator[Finding]:
        """Yield what hits properties, and what may end an alert that is open there.

        A property whose weather cannot be known fails and spares the others; nothing is
        concluded from what a service does not say.
        """
        places = dict(self._places(homes))
        seen = self.weather.observe(sorted(set(places.values())))
        warned = {home.pk for home in homes if is_warned_officially(home.timezone)}
        official = self.official.alerts(sorted({places[pk] for pk in warned & places.keys()}))
        open_ = _open_alerts(homes)
        limits = limits_of(homes)
        for home in homes:
            if home.pk in places:
                place = places[home.pk]
                yield from self._observed(home, seen[place], limits[home.pk], open_[home.pk])
                if home.pk in warned:
                    yield from self._announced(home, official[place], open_[home.pk])

    def _places(self, homes: Iterable[Property]) -> Iterator[tuple[int, Place]]:
        for home in homes:
            if not is_somewhere(home) or home.latitude is None or home.longitude is None:
                words = f"{home}: skipped (no coordinates)"
                self.report.skip(home, WeatherReason.NO_COORDINATES, words)
                continue
            try:
                yield home.pk, Place.near(home.latitude, home.longitude)
            except Nowhere as problem:
                self.report.fail(home, problem)

    def _observed(
        self,
        home: Property,
        seen: Observation | WeatherError,
        limits: Limits,
        open_: Sequence[WeatherAlert],
    ) -> Iterator[Finding]:
        if isinstance(seen, WeatherError):
            self.report.fail(home, _unavailable("weather service unavailable", seen))
            return
        if not abs(self.now - seen.at) <= OLDEST:
            words = f"{home}: the latest observation is of {seen.at:%Y-%m-%d %H:%M} UTC"
            self.report.skip(home, WeatherReason.TOO_OLD, words)
            return
        waiting = {alert.kind for alert in open_}
        for reading in readings.read(seen, limits):
            if reading.state is State.HIT or reading.kind in waiting:
                yield self._of_reading(home, seen, reading)

    def _of_reading(self, home: Property, seen: Observation, reading: Reading) -> Finding:
        name, words, facts = str(reading.kind.label), "", {}
        if reading.state is State.HIT:
            value, limit = (
                metric(reading.measure, amount) for amount in (reading.value, reading.limit)
            )
            words = f"{name} {value} (threshold {limit})"
            facts = {"measure": reading.measure.value, "value": str(reading.value)}
        return Finding(
            home=home,
            today=self.today,
            at=seen.at,
            kind=reading.kind,
            state=reading.state,
            severity=reading.severity,
            name=name,
            words=words,
            facts=facts,
        )

    def _announced(
        self,
        home: Property,
        told: Sequence[OfficialAlert] | WeatherError,
        open_: Sequence[WeatherAlert],
    ) -> Iterator[Finding]:
        if isinstance(told, WeatherError):
            problem = _unavailable("official alerts unavailable", told)
            self.report.fail(home, problem, part=Kind.SEVERE)
            return
        known = [alert for alert in open_ if alert.kind == Kind.SEVERE]
        events: dict[str, list[OfficialAlert]] = defaultdict(list)
        for message in told:
            events[_key(message, known)].append(message)
        for key, messages in events.items():
            is_known = any(alert.source_key == key for alert in known)
            finding = self._of_event(home, key, messages)
            if finding.state is State.HIT or is_known:
                yield finding
        for alert in known:
            if alert.source_key not in events:
                yield self._ended(home, alert)

    def _of_event(self, home: Property, key: str, messages: Sequence[OfficialAlert]) -> Finding:
        """Judge an event by the worst of its messages that are in force."""
        living = [message for message in messages if not message.is_over]
        hits = [message for message in living if _is_to_be_told(message)]
        worst = max(hits or living or messages, key=lambda one: one.severity == "Extreme")
        state = State.HIT if hits else State.NEAR if living else State.OVER
        return Finding(
            home=home,
            today=self.today,
            at=self.now,
            kind=Kind.SEVERE,
            state=state,
            severity=_SEVERITIES.get(worst.severity, Severity.MODERATE),
            name=worst.event,
            key=key,
            words=worst.event,
            message_id=worst.message_id,
            facts={"headline": worst.headline, "instruction": worst.instruction},
        )

    def _ended(self, home: Property, alert: WeatherAlert) -> Finding:
        return Finding(
            home=home,
            today=self.today,
            at=self.now,
            kind=Kind.SEVERE,
            state=State.OVER,
            severity=Severity(alert.severity),
            name=alert.name,
            key=alert.source_key,
        )


def _open_alerts(homes: Sequence[Property]) -> dict[int, list[WeatherAlert]]:
    found: dict[int, list[WeatherAlert]] = defaultdict(list)
    for alert in WeatherAlert.objects.open().filter(property__in=[home.pk for home in homes]):
        found[alert.property_id].append(alert)
    return found


def _key(message: OfficialAlert, known: Iterable[WeatherAlert]) -> str:
    """Return the key of a message's event: that of an open alert whose message it follows."""
    for alert in known:
        if alert.message_id in {message.message_id, *message.replaces}:
            return alert.source_key
    return message.key


def _is_to_be_told(message: OfficialAlert) -> bool:
    return (
        message.severity in _SEVERITIES
        and message.urgency in _URGENCIES
        and message.certainty in _CERTAINTIES
    )


def _unavailable(words: str, error: WeatherError) -> Problem:
    """Return what people read; the log has the error itself as the cause."""
    problem = Problem(words)
    problem.__cause__ = error
    return problem
