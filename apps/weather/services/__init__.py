"""What happens because of the weather: people are warned, and told no more than they need."""

from apps.weather.services.checking import check_weather_alerts
from apps.weather.services.closing import close_alert
from apps.weather.services.thresholds import drop_threshold, save_threshold

__all__ = ["check_weather_alerts", "close_alert", "drop_threshold", "save_threshold"]
