"""What the weather app holds about people: nothing. Who was told is in the outbox."""

from apps.core.personal import Holding
from apps.weather.models import WeatherAlert, WeatherThreshold

HOLDINGS = (
    Holding(WeatherAlert, plain=("source_key", "message_id", "name")),
    Holding(WeatherThreshold),
)
