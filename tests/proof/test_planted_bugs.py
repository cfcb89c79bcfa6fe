"""A harness that finds nothing proves nothing: with a bug planted, the judge must find it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Model

from apps.billing.models import PaymentAttempt
from apps.subscriptions.models import PaymentOrder
from sandbox import Sandbox
from tests.proof.judge import Verdict, judge
from tests.proof.points import Point
from tests.proof.story import CHARGES, PAYMENTS, Chapter
from tests.proof.workers import Workers

pytestmark = [pytest.mark.proof, pytest.mark.slow]


@contextmanager
def without_constraint(model: type[Model], name: str) -> Iterator[None]:
    """Take one of the database's own safeguards away."""
    [constraint] = [one for one in model._meta.constraints if one.name == name]
    with connection.schema_editor() as editor:
        editor.remove_constraint(model, constraint)
    try:
        yield
    finally:
        call_command("flush", interactive=False, verbosity=0)  # rows that it would not bear
        with connection.schema_editor() as editor:
            editor.add_constraint(model, constraint)


def after_kills(
    sandbox: Sandbox, workers: Workers, job: str, point: Point, *, plant: str
) -> Verdict:
    """Return the verdict after two kills at a point and two undisturbed runs."""
    with Chapter(sandbox, workers, seed="planted", plant=plant, calm=True) as story:
        for _ in range(2):
            story.kill(job, point)
        for pause in (timedelta(minutes=6), timedelta(minutes=20)):
            story.wait(pause)
            story.run_all()
        return judge(story.world)


@pytest.mark.parametrize("plant", ["", "no_key"])
@pytest.mark.parametrize("job", [CHARGES, PAYMENTS])
def test_without_idempotency_keys_somebody_is_charged_twice(
    job: str, plant: str, sandbox: Sandbox, workers: Workers
) -> None:
    verdict = after_kills(sandbox, workers, job, Point.AFTER_YES, plant=plant)
    assert bool(verdict.doubled) is bool(plant), verdict.complaints


CLAIMS = [
    (CHARGES, "no_claim_of_invoices", PaymentAttempt, "billing_attempt_one_open"),
    (PAYMENTS, "no_claim_of_cycles", PaymentOrder, "subscriptions_renewal_once"),
]


@pytest.mark.parametrize(("job", "plant", "model", "constraint"), CLAIMS)
def test_without_any_claim_somebody_is_charged_twice(
    job: str,
    plant: str,
    model: type[Model],
    constraint: str,
    sandbox: Sandbox,
    workers: Workers,
) -> None:
    with without_constraint(model, constraint):
        verdict = after_kills(sandbox, workers, job, Point.AFTER_YES, plant=plant)
    assert verdict.doubled, verdict.complaints


@pytest.mark.parametrize(("job", "plant"), [claim[:2] for claim in CLAIMS])
def test_where_the_program_forgets_its_claim_the_database_says_no(
    job: str, plant: str, sandbox: Sandbox, workers: Workers
) -> None:
    verdict = after_kills(sandbox, workers, job, Point.AFTER_YES, plant=plant)
    assert verdict.doubled == []


@pytest.mark.parametrize("job", [CHARGES, PAYMENTS])
def test_if_nobody_resolved_a_charge_would_never_come_to_its_end(
    job: str, sandbox: Sandbox, workers: Workers
) -> None:
    verdict = after_kills(sandbox, workers, job, Point.AFTER_CLAIM, plant="nobody_resolves")
    assert verdict.unfinished
    assert verdict.lost
