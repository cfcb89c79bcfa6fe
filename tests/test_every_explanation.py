"""Every job says why it takes a row and why it leaves another, or why nobody asks it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.billing.models import Invoice
from apps.core.conditions import conditions_of, speaks_of
from apps.core.days import Clock
from apps.core.explaining import Explanation, Moment, Question, explain
from apps.core.finding import find_finder, finders
from apps.jobs.job import registry
from tests import factories as make
from tests.admin.world import furnish, rows_of

EXPLAINED = {job.name: job for job in registry() if job.explains}

# Jobs that select nothing of which somebody would ask why it was left out.
UNASKED = {
    "reconcile_stripe": "compares two ledgers; what differs is a discrepancy",
    "refresh_materialized_views": "rebuilds reports",
    "send_daily_summary": "tells figures of a firm's day, not of rows",
    "reconcile_s3": "compares the storage; what differs is a discrepancy",
    "send_notification": "only when somebody starts it, for whom they say",
    "process_webhook_events": "events wait in the inbox, which shows when each is tried again",
    "cleanup_webhook_events": "deletes by age",
    "execute_retention_policies": "deletes by age",
    "export_user_data": "only when somebody starts it, for whom they say",
    "replay_erasures": "repeats what a journal says after a restore",
    "anonymise_retained_records": "deletes by age",
    "remind_of_erasure_deadlines": "tells of requests, which show their deadline",
    "cleanup_old_alerts": "deletes by age",
    "cleanup_old_tasks": "deletes by age",
    "cleanup_old_runs": "deletes by age",
    "close_lost_runs": "closes runs, which say so themselves",
}


def of(job: str, how: Explanation, row: Any) -> list[str]:
    """The keys of the conditions by which a job selects, in the place of a row."""
    clock, zone = Clock.read(), how.zone(row)
    moment = Moment(clock, clock.today(zone), zone)
    return [condition.key for condition in conditions_of(how.selection(row, moment))]


def loaded(how: Explanation, row: Any) -> Any:
    return how.model._default_manager.select_related(*how.loads).get(pk=row.pk)


def test_every_job_is_explained_or_says_why_not() -> None:
    names = {job.name for job in registry()}
    assert set(UNASKED) | set(EXPLAINED) == names
    assert not set(UNASKED) & set(EXPLAINED)


def test_whatever_is_explained_can_be_found() -> None:
    models = {how.model for job in EXPLAINED.values() for how in job.explains}
    missing = {model for model in models if find_finder(model._meta.label_lower) is None}
    assert missing == set()


@pytest.mark.django_db
def test_every_sentence_belongs_to_a_condition_of_the_selection(
    django_assert_max_num_queries: Any,
) -> None:
    firm = furnish("Alder")
    make.SubscriptionFactory(firm=firm)
    make.InvoiceFactory(account=make.BillingAccountFactory(contact__firm=firm), kind="manual")
    just_late = timezone.now().date() - timedelta(days=1)
    Invoice.objects.filter(rent_period__isnull=False).update(due_date=just_late)
    for name, job in EXPLAINED.items():
        for how in job.explains:
            rows = [loaded(how, row) for row in rows_of(how.model, firm)]
            assert rows, f"furnish() makes no row of {how.model}"
            keys = {key for row in rows for key in of(name, how, row)}
            lost = [
                one for one in how.sentences if not any(speaks_of(one, key) for key in keys)
            ]
            assert lost == [], name
            with django_assert_max_num_queries(6):
                verdict = explain(rows[0], {name: Question(how)}, Clock.read())[name]
            assert verdict.sentences, name
            assert all(one.endswith((".", "…")) for one in verdict.sentences), name


@pytest.mark.django_db
def test_every_finder_finds_its_rows_and_says_what_they_are() -> None:
    firm = furnish("Alder")
    make.SubscriptionFactory(firm=firm)
    for finder in finders():
        rows = finder.seen(type(firm).objects.filter(pk=firm.pk) if finder.firm else None)
        assert rows.select_related(*finder.loads).distinct().first(), finder.kind
        assert finder.name
