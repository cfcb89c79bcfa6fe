"""Weather that people are warned of."""

from datetime import UTC, datetime

import factory
from factory.django import DjangoModelFactory

from apps.weather.models import WeatherAlert, WeatherThreshold
from tests.factories.leasing import PropertyFactory


class WeatherThresholdFactory(DjangoModelFactory[WeatherThreshold]):
    class Meta:
        model = WeatherThreshold

    property = factory.SubFactory(PropertyFactory)
    firm = factory.SelfAttribute("property.firm")


class WeatherAlertFactory(DjangoModelFactory[WeatherAlert]):
    """Extreme heat since noon UTC on 10 June 2025."""

    class Meta:
        model = WeatherAlert

    property = factory.SubFactory(PropertyFactory)
    firm = factory.SelfAttribute("property.firm")
    kind = WeatherAlert.Kind.HEAT
    name = "extreme heat"
    severity = WeatherAlert.Severity.MODERATE
    notified_severity = factory.SelfAttribute("severity")
    opened_at = datetime(2025, 6, 10, 12, tzinfo=UTC)
    last_seen_at = factory.SelfAttribute("opened_at")
    observed_at = factory.SelfAttribute("opened_at")
