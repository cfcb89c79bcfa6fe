"""Staff of one firm meet nothing of another, on any page of the admin (spec A1)."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.firms.models import Firm, User
from tests.admin.visiting import address, keys, links, request_of, shown
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

CLOSED = {
    "auth.group",
    "console.grant",
    "firms.user",
    "jobs.runlock",
    "monitoring.alert",
    "monitoring.delivery",
    "subscriptions.paymentorder",
    "subscriptions.plan",
    "subscriptions.subscription",
    "webhooks.webhookrefusal",
}  # to the staff of a firm


def is_hidden(answer: Any) -> bool:
    """Whether a page tells nothing of them: gone, forbidden, or back to the start."""
    return answer.status_code in {302, 403, 404} and THEIRS.encode() not in answer.content


# ---- lists ------------------------------------------------------------------------------


def test_no_address_makes_a_list_show_theirs(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            page, where = pages()[label], address(label, "changelist")
            filters = [
                entry[0] if isinstance(entry, tuple) else entry
                for entry in page.get_list_filter(request_of(desk))
            ]
            asked: list[dict[str, Any]] = [
                {"q": THEIRS, "all": "", "o": "-2", "_facets": "True"},
                {"firm__id__exact": theirs.pk},
                {"firm__name__startswith": THEIRS},
                {"firm_id": theirs.pk, "pk__in": keys(label, theirs)[0]},
                {f"{name}__isnull": "False" for name in filters if isinstance(name, str)},
            ]
            foreign = set(keys(label, theirs))
            for query in asked:
                answer = desk.get(where, query, follow=True)
                assert answer.status_code in {200, 400}, query
                text = unescape(answer.content.decode())
                for echo in query.values():  # a page repeats what was asked
                    text = re.sub(rf"(value=\"|=|%3D){re.escape(str(echo))}", "", text)
                assert THEIRS not in text, query
                if "cl" in (answer.context or {}):
                    assert not foreign & set(shown(answer)), query


def test_a_superuser_sees_both(office: Client, ours: Firm, theirs: Firm, subtests: Any) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            answer = office.get(address(label, "changelist"))
            assert {*keys(label, ours), *keys(label, theirs)} <= set(shown(answer))
            page = office.get(address(label, "change", keys(label, theirs)[0]))
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


def test_our_list_and_its_pages_name_nothing_of_theirs(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    for label in TENANT_PAGES:
        with subtests.test(label):
            answer = desk.get(address(label, "changelist"))
            assert THEIRS.encode() not in answer.content
            listed = shown(answer)
            assert listed
            assert set(listed) <= set(keys(label, ours))
            for pk in listed:
                for what in ("change", "history"):
                    answer = desk.get(address(label, what, pk))
                    assert answer.status_code == 200
                    assert THEIRS.encode() not in answer.content


def test_nothing_of_theirs_can_be_changed(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    before = everything()
    for label in TENANT_PAGES:
        with subtests.test(label):
            page = pages()[label]
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
                    chosen = PRESSED | {"action": action, "_selected_action": [pk]}
                    assert THEIRS.encode() not in desk.post(where, chosen).content
    assert everything() == before


def test_all_rows_are_all_of_ours(desk: Client, theirs: Firm) -> None:
    def of_theirs() -> dict[str, list[dict[str, Any]]]:
        return {
            table: [row for row in rows if row.get("firm_id") == theirs.pk]
            for table, rows in everything().items()
        }

    before = of_theirs()
    # The firm's own pages last: whoever has no membership any more is let into none.
    for label in sorted(TENANT_PAGES, key=lambda label: label.startswith("firms.")):
        page = pages()[label]
        for action in ["delete_selected", *(page.actions or ())]:
            chosen = PRESSED | {"action": action, "_selected_action": keys(label, theirs)}
            desk.post(address(label, "changelist"), chosen | {"select_across": "1"})
    assert of_theirs() == before


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


def test_completion_offers_our_rows_only(
    desk: Client, ours: Firm, theirs: Firm, subtests: Any
) -> None:
    completed = 0
    for label, name in links():
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
            page, request = pages()[label], request_of(desk)
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


# ---- others who come --------------------------------------------------------------------


def test_who_has_no_rights_sees_nothing(client: Client, ours: Firm, subtests: Any) -> None:
    client.force_login(staff_of(ours, rights=False))
    for label in pages():
        with subtests.test(label):
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
    alice.memberships.update(is_active=False)
    client.force_login(alice)
    assert OURS.encode() not in client.get(reverse("admin:index")).content
    for label in TENANT_PAGES:
        with subtests.test(label):
            assert shown(client.get(address(label, "changelist"))) == []
            for pk in keys(label, ours):
                answer = client.get(address(label, "change", pk))
                assert answer.status_code in {302, 403, 404}


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
