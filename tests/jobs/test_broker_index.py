"""The index under Django-Q2's broker."""

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

pytestmark = pytest.mark.django_db


def test_serves_the_question_that_every_poll_asks() -> None:
    due = OrmQ.objects.filter(key="nightshift", lock__lt=timezone.now())
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")  # the table is empty here
    assert "jobs_broker_due" in due.explain()
