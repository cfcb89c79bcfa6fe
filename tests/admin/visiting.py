"""How tests walk through the admin: addresses, what a page shows, what a browser sends."""

from itertools import chain
from typing import Any

from django.db.models import ForeignKey, ManyToManyField
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.firms.models import Firm, User
from tests.admin.world import pages, rows_of


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


def links() -> list[tuple[str, str]]:
    """Every field of every page that points to other rows."""
    return [
        (label, field.name)
        for label, page in pages().items()
        for field in chain(page.model._meta.fields, page.model._meta.many_to_many)
        if isinstance(field, ForeignKey | ManyToManyField)
    ]


def target(label: str, name: str) -> str:
    """The label of the model that a field points to."""
    related: Any = pages()[label].model._meta.get_field(name).related_model
    return str(related._meta.label_lower)


def request_of(client: Client) -> Any:
    """A request by whoever is signed in."""
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    return request


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
