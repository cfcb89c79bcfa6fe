"""A browser without JavaScript, and a worker that does what was queued."""

import traceback
from typing import Any

from bs4 import BeautifulSoup, Tag
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from apps.firms.models import User
from apps.jobs.job import find
from apps.jobs.models import JobRun
from apps.jobs.worker import begin, end


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def content(answer: Any) -> Tag:
    """Return what stands in the page's frame."""
    assert answer.status_code == 200, answer
    soup = BeautifulSoup(answer.content, "html.parser")
    frame = soup.select_one("#content")
    assert frame is not None
    return frame


def text_of(answer: Any) -> str:
    return content(answer).get_text(" ", strip=True)


def messages_of(answer: Any) -> list[str]:
    """Return the sentences on the page that a verb led to."""
    soup = BeautifulSoup(answer.content, "html.parser")
    return [said.get_text(strip=True) for said in soup.select(".messagelist li")]


def rows_of(answer: Any, table: int = 0) -> list[list[str]]:
    """Return a table's rows, as lists of what their cells say."""
    body = content(answer).select("table tbody")[table]
    return [
        [cell.get_text(" ", strip=True) for cell in row.select("td, th")]
        for row in body.select("tr")
    ]


def visit(client: Client, name: str, *args: Any, **query: str) -> Any:
    return client.get(reverse(f"console:{name}", args=args), query)


def press(client: Client, name: str, *args: Any, **said: str) -> Any:
    return client.post(reverse(f"console:{name}", args=args), said, follow=True)


def work_off() -> None:
    """Do what a worker of the cluster does with every queued package."""
    for package in OrmQ.objects.order_by("pk"):
        task = package.task
        job = find(task["func"])
        begin(job.service, task)
        try:
            task["result"], task["success"] = job.service(**task["kwargs"]), True
        except Exception as error:
            told = f"{error} : {traceback.format_exc()}"
            task["result"], task["success"] = told, False
        end(task)
        package.delete()


def last_run() -> JobRun:
    return JobRun.objects.latest("pk")
