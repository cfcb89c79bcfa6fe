"""A row of a firm points to rows of the same firm only, whatever a form sends (spec A1.2)."""

from typing import Any

import pytest
from django.contrib.admin.utils import flatten_fieldsets
from django.test import Client, RequestFactory

from apps.contacts.models import Contact
from apps.firms.admin import ELSEWHERE
from apps.firms.models import Firm, User
from apps.leasing.models import Lease, Property
from tests.admin.visiting import address, filled, keys, links, request_of, target
from tests.admin.world import OURS, TENANT_PAGES, everything, is_tenants, pages, rows_of
from tests.factories import MembershipFactory

WRITTEN = ["contacts.contact", "leasing.property", "leasing.unit", "leasing.lease"]
WRITTEN += ["leasing.propertybillingconfig", "leasing.rewardconfiguration"]
WRITTEN += ["fieldwork.workorder", "fieldwork.contractorprofile"]
WRITTEN += ["fieldwork.compliancerequirement", "fieldwork.compliancedocument"]
WRITTEN += ["engagements.engagement", "crm.pipeline", "crm.deal", "weather.weatherthreshold"]
WRITTEN += ["calendars.calendarevent", "calendars.workflowrule"]
WRITTEN += ["notifications.notificationgroup", "documents.document"]


def _anybody() -> Any:
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True, is_active=True)
    return request


def test_these_are_the_pages_that_staff_write_on(desk: Client) -> None:
    request = request_of(desk)
    found = {name for name in TENANT_PAGES if pages()[name].has_change_permission(request)}
    of_the_firm_alone = {
        *("firms.firmsettings", "firms.retentionpolicy", "mailbox.emailconnection")
    }  # point nowhere else
    assert found == {*WRITTEN, *of_the_firm_alone}


def _pointers() -> list[tuple[str, str]]:
    """Fields that staff may fill in and that point to rows of firms, which have a page.

    A deal's stage has none, and is chosen once: tests/crm/test_admin.py looks at it.
    """
    found = []
    for label, page in pages().items():
        if is_tenants(label):
            names = {
                name
                for name in flatten_fieldsets(page.get_fieldsets(_anybody()))
                if isinstance(name, str)
            }
            found += [
                (label, name)
                for of, name in links()
                if of == label
                and name in names
                and target(label, name) in pages()
                and is_tenants(target(label, name))
            ]
    return found


@pytest.mark.parametrize("label", WRITTEN)
def test_a_row_of_ours_is_saved_as_it_was(desk: Client, ours: Firm, label: str) -> None:
    where = address(label, "change", keys(label, ours)[0])
    before = everything()
    answer = desk.post(where, filled(desk, where))
    assert answer.status_code == 302, answer.context["errors"]
    after = everything()
    for rows in (*before.values(), *after.values()):
        for row in rows:
            row.pop("updated_at", None)
    assert after == before


@pytest.mark.parametrize("two_firms", [False, True], ids=["of_one_firm", "of_two_firms"])
@pytest.mark.parametrize(("label", "name"), [(of, n) for of, n in _pointers() if of in WRITTEN])
def test_a_row_of_ours_never_points_to_theirs(
    desk: Client,
    alice: User,
    ours: Firm,
    theirs: Firm,
    label: str,
    name: str,
    two_firms: bool,
) -> None:
    if two_firms:
        MembershipFactory(firm=theirs, user=alice)
    model = pages()[label].model
    before = everything()
    where = address(label, "change", keys(label, ours)[0])
    answer = desk.post(
        where, filled(desk, where) | {name: keys(target(label, name), theirs)[:1]}
    )
    row = rows_of(model, ours)[0]
    if name in pages()[label].get_readonly_fields(request_of(desk), row):
        # The form does not ask for it: a row never changes its firm.
        assert answer.status_code == 302
        column = f"{name}_id"
        assert [row[column] for row in everything()[label]] == [
            row[column] for row in before[label]
        ]
        return
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors[name]
    refused = [ELSEWHERE] if two_firms else ["Select a valid choice"]
    assert [e for e in errors if any(text in e for text in refused)] == list(errors)
    assert everything() == before


@pytest.mark.parametrize("two_firms", [False, True], ids=["of_one_firm", "of_two_firms"])
def test_a_person_of_theirs_does_not_get_on_our_lease(
    desk: Client, alice: User, ours: Firm, theirs: Firm, two_firms: bool
) -> None:
    if two_firms:
        MembershipFactory(firm=theirs, user=alice)
    stranger = Contact.objects.get(firm=theirs)
    where = address("leasing.lease", "change", Lease.objects.get(firm=ours).pk)
    data = filled(desk, where)
    data |= {
        "parties-TOTAL_FORMS": 2,
        "parties-1-contact": stranger.pk,
        "parties-1-role": "guarantor",
    }
    before = everything()
    answer = desk.post(where, data)
    assert answer.status_code == 200
    text = ELSEWHERE if two_firms else "Select a valid choice"
    assert text in answer.content.decode()
    assert everything() == before


@pytest.mark.parametrize(
    "label", [of for of, name in _pointers() if of in WRITTEN and name == "firm"]
)
def test_nothing_is_added_to_theirs(desk: Client, ours: Firm, theirs: Firm, label: str) -> None:
    model, before = pages()[label].model, everything()
    row = rows_of(model, theirs)[0]
    data = {
        field.name: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if getattr(row, field.attname) is not None
    }
    data |= {"name": "Planted", "effective_from": "2030-01-01", "title": "Planted"}
    data |= {"units-TOTAL_FORMS": 0, "units-INITIAL_FORMS": 0}
    answer = desk.post(address(label, "add"), data)
    assert answer.status_code == 200
    assert "firm" in answer.context["adminform"].form.errors
    assert everything() == before


def test_a_new_row_is_of_the_only_firm_without_asking(desk: Client, ours: Firm) -> None:
    where = address("leasing.unit", "add")
    home = Property.objects.get(firm=ours)
    answer = desk.post(where, {"property": home.pk, "label": "7", "status": "vacant"})
    assert answer.status_code == 302
    assert home.units.get(label="7").firm == ours
    where = address("leasing.property", "add")
    assert filled(desk, where)["firm"] == ours.pk


def test_a_unit_added_with_its_property_is_of_the_same_firm(desk: Client, ours: Firm) -> None:
    where = address("leasing.property", "add")
    data = filled(desk, where) | {"name": "New", "timezone": "Europe/Berlin", "currency": "EUR"}
    data |= {"units-TOTAL_FORMS": 1, "units-0-label": "1", "units-0-status": "vacant"}
    assert desk.post(where, data).status_code == 302
    assert Property.objects.get(name="New").units.get().firm == ours


def test_a_name_used_before_is_refused_in_a_sentence(desk: Client, ours: Firm) -> None:
    other = Property.objects.create(firm=ours, name="Other", timezone="UTC", currency="USD")
    where = address("leasing.property", "change", other.pk)
    answer = desk.post(where, filled(desk, where) | {"name": f"{OURS} Court"})
    assert answer.status_code == 200
    assert "already exists" in str(answer.context["adminform"].form.errors)
