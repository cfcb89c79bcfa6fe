"""A viewer of everything changes nothing, by whatever route."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Success, Task
from django_q.tasks import async_task

from apps.audit.models import AuditEvent
from apps.firms.models import Firm, User
from apps.jobs.models import ClusterSign, JobPause, JobRunLog, RunLock
from tests.console.browsing import browser_of
from tests.console.world import a_run, a_schedule, an_item, granted

pytestmark = pytest.mark.django_db

APPS = {"jobs", "django_q", "console"}
# Everything that an action of ours, or of Django-Q2's own pages, has ever been called.
ACTIONS = (
    *("cancel", "delete_selected", "release", "resubmit_task", "retry_failed"),
    *("delete_resubmitted", "pause", "resume", "apply", "retry"),
)


@pytest.fixture
def viewer(ours: Firm) -> User:
    """Somebody with every right to look at jobs and the queue, and a grant to look."""
    user = granted("vera", firm=None)
    looking = Permission.objects.filter(
        content_type__app_label__in=APPS, codename__startswith="view_"
    )
    user.user_permissions.add(*looking)
    return user


@pytest.fixture
def world(own_jobs: None, ours: Firm) -> None:
    run = a_run(state="partial", failed=1)
    an_item(run, ours, outcome="failed")
    JobRunLog.objects.create(run=run, text="log")
    a_run(state="running")
    a_run(dry_run=True, done=1)
    a_schedule()
    now = timezone.now()
    for number, success in enumerate((True, False)):
        Task.objects.create(
            id=f"{number:032d}",
            name=f"task {number}",
            func="apps.jobs.services.close_lost_runs",
            started=now,
            stopped=now,
            success=success,
        )
    async_task("apps.jobs.services.close_lost_runs")
    JobPause.objects.create(job="greet_contacts", reason="quiet")
    RunLock.objects.create(job="greet_contacts", expires_at=now)
    ClusterSign.objects.create(cluster="nightshift")


def everything() -> dict[str, list[Any]]:
    tables = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in (*tables, AuditEvent)
    }


@pytest.mark.usefixtures("world")
def test_not_in_the_admin_of_jobs_and_the_queue(viewer: User) -> None:
    browser, before = browser_of(viewer), everything()
    walked = set()
    for model, page in admin.site._registry.items():
        meta = model._meta
        if meta.app_label not in APPS:
            continue
        walked.add(model)
        here = f"admin:{meta.app_label}_{meta.model_name}"
        keys = list(model._default_manager.values_list("pk", flat=True))
        said = {"post": "yes", "state": "done", "reason": "x", "repeats": "0", "name": "x"}
        browser.post(reverse(f"{here}_add"), said)
        for key in keys:
            for what in ("change", "delete"):
                browser.post(reverse(f"{here}_{what}", args=[key]), said)
        own = [getattr(action, "__name__", action) for action in page.actions or ()]
        for action in {*ACTIONS, *own}:
            chosen = {"action": action, "_selected_action": keys, "post": "yes"}
            browser.post(reverse(f"{here}_changelist"), chosen)
    assert {Success, Failure, OrmQ, RunLock} <= walked
    assert everything() == before


@pytest.mark.usefixtures("world")
def test_not_in_the_console(viewer: User) -> None:
    browser, before = browser_of(viewer), everything()
    names = [name for name in get_resolver("apps.console.urls").reverse_dict if name]
    posted = 0
    for name in filter(lambda name: isinstance(name, str), names):
        for args in ([], ["greet_contacts"], *([run["id"]] for run in before["jobs.JobRun"])):
            try:
                address = reverse(f"console:{name}", args=args)
            except NoReverseMatch:
                continue
            said = {"reason": "because", "sure": "1", "typed": "1"}
            assert browser.post(address, said).status_code in {302, 403, 404, 405}
            posted += 1
    assert posted >= 8
    assert everything() == before
