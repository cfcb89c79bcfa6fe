import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.console.world import *
from tests.factories import FirmFactory

pytestmark = pytest.mark.django_db


def test_pages(client: Client, settings: Settings) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"
    firm = FirmFactory()
    a_schedule(kwargs="days_ago=3")
    for h in range(60):
        r = a_run(
            NOW - timedelta(hours=h, minutes=20),
            state="partial" if h % 7 == 3 else "done",
            done=3,
            failed=1,
            money={"USD": 500},
        )
    a_run(NOW, state="running")
    client.force_login(superuser())
    client.get("/admin/")
    with time_machine.travel(NOW, tick=False):
        for path in [
            "",
            "?going=1,60,61",
            "calendar/",
            "calendar/?span=7d",
            "calendar/?span=30d&zone=" + firm.slug,
            "jobs/",
            "jobs/greet_contacts/",
        ]:
            with CaptureQueriesContext(connection) as c:
                a = client.get(
                    "/admin/console/" + path,
                    headers={"HX-Request": "true"} if "going" in path else {},
                )
            print(path, a.status_code, len(c), len(a.content))
            if "going" in path:
                print(a.content.decode())
            for q in c.captured_queries:
                print("   ", q["sql"][:110])
        print(
            client.post(
                "/admin/console/jobs/greet_contacts/start/",
                {"do": "run", "with-days_ago": "x", "with-as_of": "2025-13-01"},
            ).status_code
        )
        print(client.post("/admin/console/jobs/greet_contacts/start/", {"do": "preview"}))
        print(client.post("/admin/console/jobs/greet_contacts/pause/", {"pause-reason": "x"}))
        print(client.get("/admin/console/jobs/greet_contacts/").status_code)
        print(client.post("/admin/console/jobs/greet_contacts/resume/"))
    assert 0
