"""Applying a preview from its page, without JavaScript."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.console.confirming import FEW
from apps.contacts.models import Contact
from apps.jobs.models import JobRun
from tests import factories as make
from tests.console.browsing import (
    browser_of,
    last_run,
    messages_of,
    press,
    rows_of,
    text_of,
    visit,
    work_off,
)
from tests.console.world import granted, superuser
from tests.jobs.work import GREET, contacts, greeted, run_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Client:
    return browser_of(superuser())


def preview_of(*last_names: str, **fields: Any) -> JobRun:
    """Preview a greeting of contacts that behave as their last names say."""
    contacts(*last_names, **fields)
    return run_job(GREET, dry_run=True)


def test_does_exactly_what_was_shown_and_shows_what_changed_since(office: Client) -> None:
    preview = preview_of("", "", "")
    a, b, c = Contact.objects.order_by("pk")
    Contact.objects.filter(pk=b.pk).update(first_name="500")  # it would cost something now
    Contact.objects.filter(pk=c.pk).update(locale="en")  # somebody has greeted it
    make.ContactFactory(firm=a.firm, display_name="New")
    page = press(office, "run-apply", preview.pk)
    run = last_run()
    assert page.redirect_chain[-1][0] == reverse("console:run", args=[run.pk])
    assert messages_of(page) == [f"Run {run.pk} waits to do exactly what the preview showed."]
    work_off()
    page = visit(office, "run", run.pk)
    assert [row[:3] for row in rows_of(page)] == [
        ["A contact", "✓ done", "greet"],
        ["B contact", "~ stale", "greet previewed no amount, now $5.00"],
        ["C contact", "~ stale", "greet no longer due"],
    ]
    text = text_of(page)
    assert f"Applies preview {preview.pk} · what changed since is shown as stale" in text
    assert greeted() == ["A", "C"]
    page = visit(office, "run-compare", run.pk, kind="changed")
    assert [row[0] for row in rows_of(page, 1)] == ["B contact", "C contact"]


def test_asks_for_a_tick_and_for_nothing_less(office: Client) -> None:
    preview = preview_of("", "", first_name="250")
    page = visit(office, "run-apply-confirm", preview.pk)
    text = text_of(page)
    assert "It moves money." in text
    assert "2 items $5.00 would move" in text
    assert "Type the number" not in text
    page = press(office, "run-apply", preview.pk)
    assert messages_of(page) == ["Tick the box to say that you have looked at the totals."]
    assert JobRun.objects.count() == 1
    press(office, "run-apply", preview.pk, sure="1")
    work_off()
    assert greeted() == ["A", "B"]


@pytest.mark.parametrize("typed", ["21", " 21 "])
def test_asks_for_the_number_of_items_when_it_may_do_much_harm(
    office: Client, typed: str
) -> None:
    preview = preview_of(*[""] * (FEW + 1))
    JobRun.objects.update(problem="Would be blocked: More than 2 items in one run.")
    text = text_of(visit(office, "run-apply-confirm", preview.pk))
    assert "Type the number of items, 21:" in text
    for wrong in ("", "12"):
        page = press(office, "run-apply", preview.pk, sure="1", typed=wrong)
        assert messages_of(page) == ["Type the number of items, 21, to apply them."]
    assert JobRun.objects.count() == 1
    press(office, "run-apply", preview.pk, sure="1", typed=typed)
    assert last_run().preview == preview


def test_the_form_of_the_page_is_enough(office: Client) -> None:
    """Whoever has no JavaScript submits what the page itself says."""
    preview = preview_of("", first_name="250")
    page = visit(office, "run-apply-confirm", preview.pk)
    form = BeautifulSoup(page.content, "html.parser").select_one("form.confirm")
    assert form
    fields = {f["name"]: f.get("value", "") for f in form.select("input")}
    assert office.post(str(form["action"]), fields).status_code == 302
    assert last_run().preview == preview


def test_happens_once_however_often_it_is_pressed(office: Client) -> None:
    preview = preview_of("")
    press(office, "run-apply", preview.pk)
    first = last_run()
    assert messages_of(press(office, "run-apply", preview.pk)) == [
        f"Run {preview.pk} is being applied already (run {first.pk})."
    ]
    work_off()
    assert messages_of(press(office, "run-apply", preview.pk)) == [
        f"Run {preview.pk} has been applied already (run {first.pk})."
    ]
    page = visit(office, "run-apply-confirm", preview.pk)
    assert page.status_code == 302  # to the preview, which says why
    assert JobRun.objects.count() == 2


def test_says_that_a_job_is_no_more(office: Client) -> None:
    preview = preview_of("")
    JobRun.objects.update(job="forgotten")
    page = press(office, "run-apply", preview.pk)
    assert messages_of(page) == ["There is no job 'forgotten'."]
    assert page.redirect_chain[-1][0] == reverse("console:run", args=[preview.pk])


def test_needs_the_right_to_approve() -> None:
    preview = preview_of("")
    for verbs in ((), ("preview", "run")):
        browser = browser_of(granted(f"with {len(verbs)}", *verbs))
        assert press(browser, "run-apply", preview.pk).status_code == 403
        assert visit(browser, "run-apply-confirm", preview.pk).status_code == 403
    assert not AuditEvent.objects.filter(action="job_apply").exists()
    press(browser_of(granted("ann", "approve")), "run-apply", preview.pk)
    event = AuditEvent.objects.get(action="job_apply")
    assert (event.actor_label, event.changes["preview"]) == ("ann", preview.pk)
