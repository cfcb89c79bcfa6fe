"""Staff of one firm meet nothing of another, on any page of the admin (spec A1)."""

from itertools import chain
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import ForeignKey, ManyToManyField
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.contacts.models import Contact
from apps.firms.admin import ELSEWHERE
from apps.firms.models import Firm, User
from apps.leasing.models import Lease, Property
from tests.admin.world import (
    OURS,
    TENANT_PAGES,
    THEIRS,
    everything,
    is_tenants,
    pages,
    rows_of,
    staff_of,
)
from tests.factories import MembershipFactory

CLOSED = {"auth.group", "firms.user", "jobs.runlock"}  # to the staff of a firm


def address(label: str, what: str, *pk: Any) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_{what}", args=pk)


def shown(answer: Any) -> list[str]:
    """The primary keys of the rows that a list shows."""
    assert answer.status_code == 200
    return [str(row.pk) for row in answer.context["cl"].result_list]


def keys(label: str, firm: Firm) -> list[str]:
    rows = rows_of(pages()[label].model, firm)
    assert rows, f"furnish() makes no row of {label}"
    return [str(row.pk) for row in rows]


def is_hidden(answer: Any) -> bool:
    """Whether a page tells nothing of them: gone, forbidden, or back to the start."""
    return answer.status_code in {302, 403, 404} and THEIRS.encode() not in answer.content


# ---- lists ------------------------------------------------------------------------------


def test_a_list_shows_our_rows_only(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            answer = desk.get(address(label, "changelist"))
            own = set(keys(label, ours))
            assert set(shown(answer)) <= own
            assert shown(answer)
            assert THEIRS.encode() not in answer.content


def test_no_address_makes_a_list_show_theirs(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            page, where = pages()[label], address(label, "changelist")
            asked = [{"q": THEIRS}, {"all": ""}, {"o": "1"}, {"o": "-2"}, {"_facets": "True"}]
            asked += [
                {"firm__id__exact": theirs.pk},
                {"firm": theirs.pk},
                {"firm_id": theirs.pk},
            ]
            asked += [{"firm__name__startswith": THEIRS}, {"pk__in": keys(label, theirs)[0]}]
            for entry in page.get_list_filter(_request(desk)):
                field = entry[0] if isinstance(entry, tuple) else entry
                if isinstance(field, str):
                    asked += [{f"{field}__isnull": "False", "_facets": "True"}]
            foreign = set(keys(label, theirs))
            for query in asked:
                answer = desk.get(where, query, follow=True)
                assert answer.status_code in {200, 400}, query
                text = BeautifulSoup(answer.content, "html.parser").get_text(" ")
                for link in BeautifulSoup(answer.content, "html.parser").select("a"):
                    assert THEIRS not in link.get_text(), query
                assert THEIRS not in text.replace(str(query.get("q")), ""), query
                if "cl" in (answer.context or {}):
                    assert not foreign & set(shown(answer)), query


def _request(client: Client) -> Any:
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    return request


def test_a_superuser_sees_both(office: Client, ours: Firm, theirs: Firm, subtests: Any) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            answer = office.get(address(label, "changelist"))
            assert {*keys(label, ours), *keys(label, theirs)} <= set(shown(answer))
            for firm in (ours, theirs):
                page = office.get(address(label, "change", keys(label, firm)[0]))
                assert page.status_code == 200


# ---- one row ----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["change", "history", "delete"])
def test_a_page_of_theirs_is_not_reached(
    desk: Client, theirs: Firm, subtests: Any, what: str
) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            for pk in keys(label, theirs):
                assert is_hidden(desk.get(address(label, what, pk)))


def test_a_page_of_ours_names_nothing_of_theirs(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            for pk in shown(desk.get(address(label, "changelist"))):
                for what in ("change", "history"):
                    answer = desk.get(address(label, what, pk))
                    assert answer.status_code == 200
                    assert THEIRS.encode() not in answer.content


def test_nothing_of_theirs_can_be_changed(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            page, before = pages()[label], everything()
            data = {
                field.name: getattr(row, field.attname)
                for row in rows_of(page.model, ours)[:1]
                for field in row._meta.concrete_fields
                if getattr(row, field.attname) is not None
            }
            where = address(label, "changelist")
            for pk in keys(label, theirs):
                assert is_hidden(desk.post(address(label, "change", pk), data))
                assert is_hidden(desk.post(address(label, "delete", pk), {"post": "yes"}))
                for action in ["delete_selected", *(page.actions or ())]:
                    answer = desk.post(
                        where, PRESSED | {"action": action, "_selected_action": [pk]}
                    )
                    assert THEIRS.encode() not in answer.content
            assert everything() == before
            for action in ["delete_selected", *(page.actions or ())]:
                pressed = PRESSED | {"action": action, "_selected_action": keys(label, theirs)}
                desk.post(where, pressed | {"select_across": "1"})  # all of ours, then
            after = everything()
            for table, rows in before.items():
                of_theirs = [row for row in rows if row.get("firm_id") == theirs.pk]
                assert of_theirs == [
                    row for row in after[table] if row.get("firm_id") == theirs.pk
                ]


# What the pages between an action and its effect ask for.
PRESSED = {
    "confirmed": "yes",
    "post": "yes",
    "reason": "Mischief",
    "amount": "1.00",
    "method": "cash",
    "paid_on": "2025-01-01",
    "reference": "0" * 32,
}


# ---- choices ----------------------------------------------------------------------------


def _links() -> list[tuple[str, str]]:
    return [
        (label, field.name)
        for label, page in pages().items()
        for field in chain(page.model._meta.fields, page.model._meta.many_to_many)
        if isinstance(field, ForeignKey | ManyToManyField)
    ]


def test_completion_offers_our_rows_only(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    completed = 0
    for label, name in _links():
        app, model = label.split(".")
        asked = {"app_label": app, "model_name": model, "field_name": name}
        for term in ("", THEIRS):
            with subtests.test(label, name=name, term=term):
                answer = desk.get(reverse("admin:autocomplete"), {**asked, "term": term})
                assert answer.status_code in {200, 403, 404}
                assert THEIRS.encode() not in answer.content
                completed += answer.status_code == 200
    assert completed > 20


def test_a_form_offers_our_rows_only(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            page, request = pages()[label], _request(desk)
            row = rows_of(page.model, ours)[0]
            forms = [page.get_form(request, row, change=True)]
            forms += [
                formset.form for formset, _ in page.get_formsets_with_inlines(request, row)
            ]
            if page.has_add_permission(request):
                forms.append(page.get_form(request))
            for form in forms:
                for field in form.base_fields.values():
                    for row in getattr(field, "queryset", None) or ():
                        assert getattr(row, "firm_id", ours.pk) == ours.pk
                        assert row != theirs


# ---- forms that point elsewhere ---------------------------------------------------------


def filled(client: Client, where: str) -> dict[str, Any]:
    """What a browser would send of the form that a page shows."""
    form = client.get(where).context
    data: dict[str, Any] = {}
    shown = [form["adminform"].form]
    for inline in form["inline_admin_formsets"]:
        shown += [inline.formset.management_form, *inline.formset.forms]
    for one in shown:
        for bound in one:
            value = bound.value()
            if value is not None and value is not False:
                data[bound.html_name] = value
    return data


def _pointers() -> list[tuple[str, str]]:
    """Fields that staff may fill in and that point to rows of firms."""
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
                for of, name in _links()
                if of == label and name in names and is_tenants(_target(label, name))
            ]
    return found


def _target(label: str, name: str) -> str:
    """The label of the model that a field points to."""
    related: Any = pages()[label].model._meta.get_field(name).related_model
    return str(related._meta.label_lower)


def _anybody() -> Any:
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True, is_active=True)
    return request


WRITTEN = ["contacts.contact", "leasing.property", "leasing.unit", "leasing.lease"]
WRITTEN += ["leasing.propertybillingconfig", "leasing.rewardconfiguration"]
WRITTEN += ["notifications.notificationgroup", "documents.document"]


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
        where, filled(desk, where) | {name: keys(_target(label, name), theirs)[:1]}
    )
    if name == "firm":  # the form does not ask for it: a row never changes its firm
        assert answer.status_code == 302
        assert rows_of(model, theirs) == list(model._default_manager.filter(firm=theirs))
        assert [row["firm_id"] for row in everything()[label]] == [
            row["firm_id"] for row in before[label]
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


# ---- others who come --------------------------------------------------------------------


def test_who_has_no_rights_sees_nothing(client: Client, ours: Firm, subtests: Any) -> None:
    for label in pages():
        with subtests.test(label):
            client.force_login(staff_of(ours, rights=False))
            _sees_nothing(client, label, ours)


def test_an_anonymous_visitor_is_asked_to_sign_in(
    client: Client, ours: Firm, subtests: Any
) -> None:
    for label in pages():
        with subtests.test(label):
            for what in ("changelist", "add"):
                answer = client.get(address(label, what))
                assert answer.status_code == 302
                assert answer["Location"].startswith(reverse("admin:login"))


def test_an_anonymous_visitor_completes_nothing(client: Client, ours: Firm) -> None:
    answer = client.get(reverse("admin:autocomplete"))
    assert answer["Location"].startswith(reverse("admin:login"))


def test_who_has_left_the_firm_sees_nothing(
    client: Client, alice: User, ours: Firm, subtests: Any
) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            alice.memberships.update(is_active=False)
            client.force_login(alice)
            assert shown(client.get(address(label, "changelist"))) == []
            for pk in keys(label, ours):
                answer = client.get(address(label, "change", pk))
                assert answer.status_code in {302, 403, 404}
            assert OURS.encode() not in client.get(reverse("admin:index")).content


@pytest.mark.parametrize(
    "label", [*sorted(CLOSED), *(of for of in pages() if of.startswith("django_q"))]
)
def test_staff_of_a_firm_find_the_platforms_own_pages_closed(
    desk: Client, ours: Firm, label: str
) -> None:
    _sees_nothing(desk, label, ours)


def _sees_nothing(client: Client, label: str, firm: Firm) -> None:
    assert client.get(address(label, "changelist")).status_code == 403
    assert client.get(address(label, "add")).status_code == 403
    rows = rows_of(pages()[label].model, firm) if is_tenants(label) else ()
    for row in rows:
        for what in ("change", "history", "delete"):
            assert client.get(address(label, what, row.pk)).status_code in {302, 403}
        assert client.post(address(label, "change", row.pk)).status_code in {302, 403}
