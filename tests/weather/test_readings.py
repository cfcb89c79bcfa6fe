"""An observation means … against the usual limits (spec D20)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from apps.integrations.weather import Observation
from apps.weather.services.readings import read
from apps.weather.services.thresholds import USUAL

AT = datetime(2025, 6, 10, 12, tzinfo=UTC)


def said(**seen: str | None) -> list[str]:
    """Return what is said of each kind: ``heat hit moderate``."""
    names = ("apparent", "chill", "wind", "gust")
    values = {name: None if (v := seen.get(name)) is None else Decimal(v) for name in names}
    return [
        f"{one.kind} {one.state.value}" + f" {one.severity}" * (one.state.value == "hit")
        for one in read(Observation(AT, **values), USUAL)
    ]


@pytest.mark.parametrize(
    ("seen", "means"),
    [
        # Heat from 39.4 °C on, well back from 37.4 °C down.
        ({"apparent": "39.4"}, ["heat hit moderate"]),
        ({"apparent": "39.3"}, ["heat near"]),
        ({"apparent": "37.5"}, ["heat near"]),
        ({"apparent": "37.4"}, ["heat calm"]),
        ({"apparent": "51.7"}, ["heat hit extreme"]),
        # Cold is the other way round.
        ({"chill": "-17.8"}, ["cold hit moderate"]),
        ({"chill": "-17.7"}, ["cold near"]),
        ({"chill": "-15.9"}, ["cold near"]),
        ({"chill": "-15.8"}, ["cold calm"]),
        ({"chill": "-31.7"}, ["cold hit extreme"]),
        # Of wind and gusts the worse counts.
        ({"wind": "17.9", "gust": "20"}, ["wind hit severe"]),
        ({"wind": "10", "gust": "25.9"}, ["wind hit severe"]),
        ({"wind": "17.9", "gust": "35.8"}, ["wind hit extreme"]),
        ({"wind": "33.1", "gust": "30"}, ["wind hit extreme"]),
        ({"wind": "17.8", "gust": "20"}, ["wind near"]),
        ({"wind": "15.7", "gust": "23.8"}, ["wind near"]),
        ({"wind": "15.7", "gust": "23.7"}, ["wind calm"]),
        # What is not known is left out; of two winds, one may still blow.
        ({}, []),
        ({"wind": "10"}, []),
        ({"gust": "10"}, []),
        ({"gust": "30"}, ["wind hit severe"]),
        ({"apparent": "0", "chill": "0"}, ["heat calm", "cold calm"]),
    ],
)
def test_that(seen: dict[str, str | None], means: list[str]) -> None:
    assert said(**seen) == means
