"""export_user_data: with a marker in every text column of every table, for two people."""

import re
from pathlib import Path

import pytest

from apps.core.personal import holdings
from apps.firms.models import Firm, User
from tests.factories import FirmFactory
from tests.privacy.exporting import Export, exported
from tests.privacy.pages import target, text_columns
from tests.privacy.planting import Planter

pytestmark = pytest.mark.django_db

HERS, HIS = "Ѫ", "Ѯ"  # letters that stand nowhere else


def planted(sign: str, firm: Firm) -> Planter:
    planter = Planter(sign, firm)
    planter.plant_everything()
    return planter


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="acme")


@pytest.fixture
def ada(firm: Firm) -> Planter:
    return planted(HERS, firm)


@pytest.fixture
def bob(firm: Firm, ada: Planter) -> Planter:
    return planted(HIS, firm)


@pytest.fixture
def copy(ada: Planter, bob: Planter, tmp_path: Path) -> Export:
    user = ada.row(User)
    assert isinstance(user, User)
    return exported(user, tmp_path)


def expected(planter: Planter) -> dict[str, str]:
    """Return which markers somebody has a right to see, and where they were planted."""
    found = {}
    for page in holdings():
        for path in page.exports:
            column = target(page.model, path)
            place = (column.model._meta.label_lower, column.name)
            if place in planter.markers:
                found[planter.markers[place]] = ".".join(place)
    return found


def test_plants_every_text_column(ada: Planter) -> None:
    columns = [
        (model._meta.label_lower, column.name)
        for model in ada.rows
        for column in text_columns(model)
        if model is not Firm
    ]
    unmarked = {place for place in columns if place not in ada.markers}
    assert {name for _, name in unmarked} <= {
        *("currency", "country", "recipient_key", "text", "username", "ip_address"),
    }
    assert len(ada.markers) > 150


def test_every_column_that_is_exported_appears_and_nothing_else_does(
    copy: Export, ada: Planter
) -> None:
    wanted = expected(ada)
    assert len(wanted) > 40
    found = set(re.findall(f"{HERS}[0-9a-z]{{2}}", copy.text))
    places = {marker: ".".join(place) for place, marker in ada.markers.items()}
    assert sorted(places[one] for one in set(wanted) - found) == []
    assert sorted(places[one] for one in found - set(wanted)) == []


def test_nothing_of_somebody_else_appears(copy: Export) -> None:
    assert re.findall(f"{HIS}..", copy.text) == []


def test_every_category_has_a_record(copy: Export) -> None:
    categories = copy.manifest["categories"]
    assert [one["category"] for one in categories if not one["records"]] == []
    assert len(categories) >= 14


def test_the_fingerprints_of_all_files_are_right(copy: Export) -> None:
    assert copy.as_listed() == copy.as_found()
    assert {path.partition("/")[0] for path in copy.as_found()} == {"acme", "account"}
