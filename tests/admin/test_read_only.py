"""Money, runs and the outbox are changed by services: nobody edits them, no superuser."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from apps.firms.models import Firm
from tests.admin.world import everything, pages, rows_of

READ_ONLY = [
    "audit.auditevent",
    "billing.billingaccount",
    "billing.invoice",
    "billing.payment",
    "billing.paymentattempt",
    "billing.paymentmethod",
    "billing.receivables",
    "billing.revenuemonth",
    "crm.dealactivity",
    "crm.staledealalert",
    "engagements.engagementperiod",
    "fieldwork.payout",
    "fieldwork.payoutrequest",
    "jobs.jobrun",
    "jobs.jobrunitem",
    "leasing.latefeeassessment",
    "leasing.rentperiod",
    "leasing.rewardgrant",
    "mailbox.emailmessage",
    "mailbox.ticket",
    "notifications.notification",
    "notifications.suppression",
    "privacy.retentionrun",
    "webhooks.webhookevent",
]


def address(label: str, what: str, *pk: Any) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_{what}", args=pk)


@pytest.mark.parametrize("who", ["office", "desk"])
def test_cannot_be_added_changed_or_deleted(
    request: pytest.FixtureRequest, ours: Firm, who: str, subtests: Any
) -> None:
    client: Client = request.getfixturevalue(who)
    before = everything()
    for label in READ_ONLY:
        with subtests.test(label):
            row = rows_of(pages()[label].model, ours)[0]
            data = {"status": "void", "state": "waived", "total_minor": 1, "action": "x"}
            assert client.post(address(label, "add"), data).status_code == 403
            assert client.post(address(label, "change", row.pk), data).status_code == 403
            gone = client.post(address(label, "delete", row.pk), {"post": "yes"})
            assert gone.status_code == 403
            many = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
            client.post(address(label, "changelist"), many)
            assert everything() == before


def test_no_page_says_none(office: Client, desk: Client, ours: Firm, subtests: Any) -> None:
    for label in READ_ONLY:
        with subtests.test(label):
            row = rows_of(pages()[label].model, ours)[0]
            for client in (office, desk):
                page = client.get(address(label, "change", row.pk)).content
                soup = BeautifulSoup(page, "html.parser")
                shown = [box.get_text(strip=True) for box in soup.select(".readonly, td p")]
                assert shown
                assert "None" not in shown


def test_shows_amounts_as_people_write_them(office: Client, ours: Firm) -> None:
    for label, name in (
        ("billing.invoice", "total_minor"),
        ("billing.payment", "amount_minor"),
        ("leasing.lease", "rent_minor"),
    ):
        soup = BeautifulSoup(office.get(address(label, "changelist")).content, "html.parser")
        assert [cell.get_text() for cell in soup.select(f"td.field-{name}")] == ["$1,500.00"]
    row = rows_of(pages()["billing.invoice"].model, ours)[0]
    soup = BeautifulSoup(
        office.get(address("billing.invoice", "change", row.pk)).content, "html.parser"
    )
    figures = [box.get_text(strip=True) for box in soup.select(".field-owed .readonly")]
    assert figures == ["$1,500.00"]
    lines = [cell.get_text(strip=True) for cell in soup.select("td.field-amount_minor")]
    assert lines == ["$1,500.00", "$10.00"]
