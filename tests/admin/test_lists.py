"""A list asks the database the same questions, however many rows it shows."""

from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.admin.world import TENANT_PAGES, furnish

pytestmark = pytest.mark.slow

MOST = 15


def queries(client: Client, label: str) -> tuple[int, int]:
    """How many questions a list asks, and how many rows it shows."""
    ContentType.objects.clear_cache()
    where = reverse(f"admin:{label.replace('.', '_')}_changelist")
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(where)
    return len(captured), len(answer.context["cl"].result_list)


@pytest.mark.django_db
def test_more_rows_cost_no_more_queries(office: Client, subtests: Any) -> None:
    for name in ("One", "Two"):
        furnish(name)
    few = {label: queries(office, label) for label in TENANT_PAGES}
    for number in range(4):
        furnish(f"Firm{number}")
    for label, (asked, rows) in few.items():
        with subtests.test(label):
            assert rows >= 2
            more, shown = queries(office, label)
            assert shown >= 6
            assert more == asked <= MOST
