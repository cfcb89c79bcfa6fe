"""What an operator may do: each verb demands its right and leaves one audit event."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django_q.models import OrmQ

from apps.audit.models import AuditEvent
from apps.console import services
from apps.console.services import Caller
from apps.core.problems import BadOption
from apps.firms.models import Firm, User
from apps.jobs.job import find
from apps.jobs.models import JobPause, JobRun
from tests.console.world import a_run, an_item, granted, someone, superuser
from tests.jobs.work import GREET

pytestmark = pytest.mark.django_db

PLACE = "192.0.2.7"
UNTIL = timezone.now() + timedelta(days=1)

Do = Callable[[Caller], Any]


def by(user: User | None) -> Caller:
    return Caller(user, PLACE)


def failed_run() -> JobRun:
    return JobRun.objects.filter(failed=1).first() or a_run(state="partial", failed=1)


def preview() -> JobRun:
    at = timezone.now()
    return JobRun.objects.previews().first() or a_run(at, dry_run=True, done=1)


def going() -> JobRun:
    return JobRun.objects.going_on().first() or a_run(state="running")


def start(caller: Caller) -> Any:
    return services.start(GREET, {"days_ago": 3}, caller=caller)


def look(caller: Caller) -> Any:
    return services.start(GREET, {"dry_run": True}, caller=caller)


def pause(caller: Caller) -> Any:
    return services.pause(GREET, until=UNTIL, reason="Bank holiday", caller=caller)


def resume(caller: Caller) -> Any:
    if not JobPause.objects.exists():
        JobPause.objects.create(job=GREET.name, reason="x")
    return services.resume(GREET, caller=caller)


VERBS: list[tuple[str, str, Do, Callable[[], dict[str, Any]], str]] = [
    ("run", "job_run", start, lambda: {"arguments": {"days_ago": 3}}, ""),
    ("preview", "job_preview", look, lambda: {"arguments": {"dry_run": True}}, ""),
    (
        "approve",
        "job_apply",
        lambda caller: services.apply(preview(), caller=caller),
        lambda: {"preview": preview().pk},
        "",
    ),
    (
        "run",
        "job_retry",
        lambda caller: services.retry(failed_run(), caller=caller),
        lambda: {"run": failed_run().pk},
        "",
    ),
    ("run", "job_cancel", lambda caller: services.cancel(going(), caller=caller), dict, ""),
    ("pause", "job_pause", pause, lambda: {"until": UNTIL.isoformat()}, "Bank holiday"),
    ("pause", "job_resume", resume, dict, ""),
]
ALL = {"preview", "run", "approve", "pause"}
each_verb = pytest.mark.parametrize(
    ("right", "action", "do", "changes", "reason"), VERBS, ids=[v[1] for v in VERBS]
)


@each_verb
def test_demands_its_right_and_says_who_when_why_and_from_where(
    right: str, action: str, do: Do, changes: Callable[[], dict[str, Any]], reason: str
) -> None:
    for caller in (
        by(granted("others", *sorted(ALL - {right}))),
        by(granted("elsewhere", right, job="greet_crowds")),
        by(someone("stranger")),
    ):
        with pytest.raises(PermissionDenied):
            do(caller)
    assert not AuditEvent.objects.exists()
    assert not OrmQ.objects.exists()
    user = granted("ann", right, job=GREET.name)
    do(by(user))
    event = AuditEvent.objects.get()
    told = {"job": GREET.name, "from": PLACE} | changes()
    assert (event.action, event.actor, event.actor_label, event.reason) == (
        *(action, user, "ann", reason),
    )
    assert event.changes == told


@each_verb
def test_leaves_nothing_when_it_is_refused(
    right: str, action: str, do: Do, changes: Callable[[], dict[str, Any]], reason: str
) -> None:
    root = by(superuser())
    do(root)
    AuditEvent.objects.all().delete()
    OrmQ.objects.all().delete()
    refused: Callable[[], Any] = {
        "job_run": lambda: services.start(GREET, {"colour": "red"}, caller=root),
        "job_preview": lambda: services.start(GREET, {"firm_id": 0}, caller=root),
        "job_resume": lambda: services.resume(GREET, caller=root),
        "job_pause": lambda: services.pause(GREET, until=None, reason=" ", caller=root),
    }.get(action, lambda: do(root))
    if action == "job_cancel":
        assert refused() is False
    else:
        with pytest.raises(BadOption):
            refused()
    assert not AuditEvent.objects.exists()
    assert not OrmQ.objects.exists()


def test_names_the_account_of_whoever_has_a_shell() -> None:
    services.start(GREET, {}, caller=Caller(None, "deploy@app1"))
    event = AuditEvent.objects.get()
    assert (event.actor, event.actor_label) == (None, "system")
    assert event.changes["from"] == "deploy@app1"
    assert JobRun.objects.get().started_by is None


def test_lets_a_firm_s_grant_reach_that_firm_s_runs_alone(ours: Firm, theirs: Firm) -> None:
    caller = by(granted("ann", "run", "approve", firm=ours))
    for firm_id in (None, theirs.pk):
        arguments = {} if firm_id is None else {"firm_id": firm_id}
        run = a_run(state="partial", failed=1, arguments=arguments)
        an_item(run, ours, outcome="failed")
        with pytest.raises(PermissionDenied):
            services.start(find(GREET.name), arguments, caller=caller)
        with pytest.raises(PermissionDenied):
            services.retry(run, caller=caller)
    services.start(GREET, {"firm_id": ours.pk}, caller=caller)
    services.retry(
        a_run(state="failed", failed=1, arguments={"firm_id": ours.pk}), caller=caller
    )
    assert AuditEvent.objects.count() == 2
