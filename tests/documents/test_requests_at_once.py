"""At the same moment: two runs remind once, and the same file sent twice is there once."""

from contextlib import suppress
from pathlib import Path

import pytest
import time_machine

from apps.core.problems import Problem
from apps.core.reports import Report
from apps.documents.models import Document, FileRequest, ReceivedFile, UploadLink
from apps.documents.services import receive_file, send_file_request_reminders
from apps.integrations.storage import get_storage
from apps.notifications.models import Notification
from tests.billing.at_once import at_once
from tests.documents.filing import sent
from tests.documents.requesting import after, noon
from tests.factories import ContactFactory, FileRequestFactory, FirmFactory

pytestmark = [pytest.mark.django_db(transaction=True)]


@time_machine.travel(noon(after(3)), tick=False)
def test_two_runs_remind_everybody_once() -> None:
    firm = FirmFactory()
    for _ in range(10):
        contact = ContactFactory(firm=firm)
        FileRequestFactory.create_batch(2, contact=contact, next_reminder_on=after(3))
    reports = list[Report]()
    run = [lambda: reports.append(send_file_request_reminders())] * 2
    assert at_once(*run) == []
    assert [report.failed for report in reports] == [0, 0]
    assert sum(report.done for report in reports) == 10
    assert Notification.objects.count() == UploadLink.objects.count() == 10
    assert set(FileRequest.objects.values_list("reminder_count", flat=True)) == {1}


def test_a_file_that_is_sent_twice_is_there_once(folder: Path) -> None:
    item = FileRequestFactory().items.get()

    def send() -> None:
        with suppress(Problem):  # the other one was faster, or has overtaken this one
            receive_file(item=item, upload=sent(), now=noon(after(0)))

    assert at_once(send, send) == []
    [received] = ReceivedFile.objects.all()
    assert received.document.state == "available"
    assert FileRequest.objects.get().status == "fulfilled"
    kept = Document.objects.filter(state="available")
    assert [one.storage_key for one in kept] == [one.key for one in get_storage().listing("")]
