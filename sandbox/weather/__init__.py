"""Two weather services on loopback: Open-Meteo and the National Weather Service."""

from sandbox.weather.nws import Nws
from sandbox.weather.open_meteo import OpenMeteo

__all__ = ["Nws", "OpenMeteo"]
