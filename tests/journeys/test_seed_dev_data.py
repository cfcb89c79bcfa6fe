"""seed_dev_data … (spec D16, E1, E2, E3.4)."""

import io
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command

from apps.billing.models import Invoice, Payment
from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.firms import demo
from apps.firms.models import Firm, User
from tests.demo_world import CLOCK
from tests.factories import InvoiceFactory, LeaseFactory, UserFactory
from tests.tables import comparable

pytestmark = pytest.mark.django_db


def seed(**options: Any) -> str:
    out = io.StringIO()
    call_command("seed_dev_data", stdout=out, **options)
    return out.getvalue()


def every_row() -> dict[str, list[Any]]:
    """All rows of all our tables, without the instants at which they were written."""
    rows = {}
    for model in apps.get_models(include_auto_created=True):
        if not model.__module__.startswith("apps.") or not model._meta.managed:
            continue
        fields = [f.name for f in model._meta.concrete_fields if f.name != "updated_at"]
        found = model._default_manager.values_list(*fields)
        rows[model._meta.label] = sorted(str([*map(comparable, row)]) for row in found)
    return rows


@time_machine.travel(CLOCK, tick=False)
def test_changes_nothing_the_second_time() -> None:
    first = seed(no_input=True)
    assert "  ✓ rent invoices: 171\n" in first
    assert "  ✓ work orders: 44\n" in first
    assert first.endswith("Seed data created successfully.\n")
    before = every_row()
    assert seed(no_input=True) == "Demo data already present; nothing created.\n"
    assert every_row() == before


@time_machine.travel(CLOCK, tick=False)
def test_makes_the_same_world_for_the_same_day() -> None:
    def facts() -> list[Any]:
        invoices = Invoice.objects.order_by("number", "firm")
        payments = Payment.objects.order_by(
            "effective_on", "amount_minor", "account__contact__email"
        )
        return [
            list(invoices.values_list("number", "total_minor", "issue_date", "due_date")),
            list(
                payments.values_list("amount_minor", "effective_on", "account__contact__email")
            ),
        ]

    seed(no_input=True, as_of="2025-06-10")
    first = facts()
    seed(no_input=True, as_of="2025-06-10", clear=True)
    assert facts() == first


def test_clears_demo_firms_and_nothing_else() -> None:
    LeaseFactory()
    InvoiceFactory()
    boss = UserFactory(is_superuser=True)
    before = every_row()
    seed(no_input=True)
    assert Firm.objects.filter(is_demo=True).exists()
    demo.clear_all()
    assert every_row() == before
    assert User.objects.filter(pk=boss.pk).exists()
    assert not Contact.objects.filter(firm__is_demo=True).exists()


def test_asks_before_it_clears(monkeypatch: pytest.MonkeyPatch) -> None:
    seed(no_input=True)
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "no"

    monkeypatch.setattr("builtins.input", answer)
    with pytest.raises(CommandError, match=r"^Cancelled\.$"):
        seed(clear=True)
    assert asked[0].startswith("This will delete all demo data (")
    assert asked[0].endswith(" rows in 12 demo firms). Type 'yes' to continue: ")
    assert Firm.objects.filter(is_demo=True).count() == 12


def test_refuses_to_take_the_name_of_a_real_firm() -> None:
    LeaseFactory(unit__property__firm__slug="evergreen-pm")
    with pytest.raises(CommandError, match="exists and is no demo firm; nothing created"):
        seed(no_input=True)
    assert Firm.objects.count() == 1


def test_refuses_production(settings: Any) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="need --allow-production"):
        seed(no_input=True)
    assert not Firm.objects.exists()


@pytest.mark.parametrize("day", ["2024-02-29", "2025-01-01", "2025-03-31", "2026-11-03"])
def test_works_on_any_day(day: str) -> None:
    world = demo.seed_all(Clock.at(day))
    assert world is not None
    assert world.made["rent invoices"] == 171
    assert world.made["payments"] == 192
    assert world.made["deals"] == 7
