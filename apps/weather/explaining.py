"""Why the weather of a property is looked at, and why not."""

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from apps.core.explaining import Explanation, Moment
from apps.leasing.models import Property
from apps.leasing.services.scope import Scope
from apps.weather.services.findings import WeatherReason, is_somewhere


def _looked_at(home: Property, moment: Moment) -> "QuerySet[Property]":
    return Scope.find().properties


def _nowhere(home: Property, moment: Moment) -> str:
    return "" if is_somewhere(home) else str(WeatherReason.NO_COORDINATES.label)


WEATHER = Explanation(
    model=Property,
    selection=_looked_at,
    sentences={"firm__is_active": _("the firm is suspended or closed")},
    after=_nowhere,
    takes=_("The next run looks at its weather; whoever is to be warned is warned."),
    zone=lambda home: str(home.timezone),
)
