"""What the tests look at: runs and schedules of two made-up jobs, and looks at instants."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django_q.models import Schedule

from apps.jobs.health import examine
from apps.jobs.models import JobRun
from apps.monitoring.models import Alert, Delivery, Watch
from apps.monitoring.services import look

JOB = "greet_contacts"
NOW = datetime(2025, 3, 31, 12, 30, tzinfo=UTC)
SECRET = "whsec_bmlnaHRzaGlmdC13ZWJob29rLXNlY3JldA=="  # of "nightshift-webhook-secret"


def after(**span: float) -> datetime:
    """Return an instant of the story."""
    return NOW + timedelta(**span)


def make_schedule(**fields: Any) -> Schedule:
    """Make an hourly schedule of the job; it is next due at ``next_run``."""
    next_run = fields.pop("next_run", after(days=2))
    row = Schedule(
        **{"func": f"apps.jobs.services.{JOB}", "schedule_type": "C", "cron": "10 * * * *"}
        | {"task": "t", "name": JOB}
        | fields
    )
    row.save()
    Schedule.objects.filter(pk=row.pk).update(next_run=next_run)
    return row


def make_run(
    at: datetime, state: str = "done", *, took: float | None = 1, **fields: Any
) -> JobRun:
    """Make a run that began at an instant; ``took`` seconds, or is still at work."""
    ended = None if took is None else at + timedelta(seconds=took)
    return JobRun.objects.create(
        **{"job": JOB, "source": "schedule", "schedule_name": JOB, "state": state}
        | {"started_at": at, "heartbeat_at": ended or at, "ended_at": ended}
        | fields
    )


def look_at(now: datetime, *, cluster: bool = True) -> None:
    """Look once at an instant, at which a cluster lives or none does."""
    if cluster:
        Watch.objects.update_or_create(
            name="look",
            defaults={"cluster_seen_at": now},
            create_defaults={
                "cluster_seen_at": now,
                "next_look_at": now,
                "judged_until": now - timedelta(minutes=5),
            },
        )
    look(now=now, health=examine(now=now))


def alerts() -> list[tuple[str, str, int, str]]:
    """Return every alert: kind, job, how often, and whether it is open, taken or over."""
    return [
        (
            one.kind,
            one.job,
            one.times,
            "over" if one.recovered_at else "taken" if one.acknowledged_at else "open",
        )
        for one in Alert.objects.order_by("pk")
    ]


def subjects() -> list[str]:
    """Return the subjects of all messages, one for each look that told something."""
    rows = Delivery.objects.filter(channel="email").order_by("pk")
    return list(rows.values_list("subject", flat=True))
