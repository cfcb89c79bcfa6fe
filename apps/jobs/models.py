"""What is on the record: runs of jobs, their items, and who holds which lock."""

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import cached_property
from moneyed import Money

from apps.core import money
from apps.core.reports import Outcome

LEASE = timedelta(minutes=15)  # how long a run lock outlives its last heartbeat (spec A5.5)
APPLICABLE = timedelta(days=30)  # how long a preview may be applied; then it is history
# A run that did nothing, and that nobody who was signed in started: it has no item. Most runs
# of a job that looks each minute are idle.
IDLE = Q(
    *(("state__in", ["done", "paused"]), ("started_by", None)),
    **dict.fromkeys(("done", "skipped", "declined", "failed", "stale"), 0),
)


class JobRunQuerySet(models.QuerySet["JobRun"]):
    def of(self, job: str) -> Self:
        return self.filter(job=job)

    def real(self) -> Self:
        """Runs that acted, or meant to: previews left out."""
        return self.filter(dry_run=False)

    def previews(self) -> Self:
        return self.filter(dry_run=True)

    def going_on(self) -> Self:
        return self.filter(state=JobRun.State.RUNNING)

    def under_way(self) -> Self:
        """Runs that wait in the queue or are going on."""
        return self.filter(state__in=JobRun.UNDER_WAY)

    def needing_attention(self) -> Self:
        """Runs in trouble that nobody has taken on; previews trouble nobody."""
        return self.real().filter(acknowledged_at=None, state__in=JobRun.TROUBLED)

    def successful(self) -> Self:
        return self.filter(state=JobRun.State.DONE)


class JobRun(models.Model):
    """One run of a job, whoever started it (spec A11)."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        PARTIAL = "partial", "Partly failed"
        FAILED = "failed"
        CRASHED = "crashed"
        LOST = "lost"
        CANCELLED = "cancelled"
        INTERRUPTED = "interrupted"
        BLOCKED = "blocked"
        BUSY = "busy"
        DUPLICATE = "duplicate"
        PAUSED = "paused"

    class Source(models.TextChoices):
        COMMAND = "command"
        SCHEDULE = "schedule"
        QUEUE = "queue"
        CONSOLE = "console"
        CODE = "code"

    job = models.CharField(max_length=100)
    arguments = models.JSONField(default=dict, blank=True)
    dry_run = models.BooleanField(default=False)
    preview = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="applications",
        help_text="The dry run whose items, and no others, this run carries out.",
    )
    retry_of = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="retries",
        help_text="The run whose failed items, and no others, this run takes up again.",
    )
    source = models.CharField(max_length=10, choices=Source)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    schedule_name = models.CharField(max_length=100, blank=True)
    task_id = models.CharField(
        max_length=32, blank=True, help_text="Django-Q2's task that carried this run."
    )
    state = models.CharField(max_length=12, choices=State, default=State.RUNNING)
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    silent_since = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When the job had begun before, if it rested longer than it ever does.",
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    worker = models.CharField(max_length=200, blank=True, help_text="host:pid:start time")
    starts = models.PositiveIntegerField(default=1, help_text="Deliveries that began to run.")
    expected = models.PositiveIntegerField(null=True, blank=True)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    declined = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    stale = models.PositiveIntegerField(default=0)
    money = models.JSONField(
        default=dict, blank=True, help_text="Minor units per currency: {'USD': 749900}."
    )
    summary = models.TextField(blank=True)
    problem = models.TextField(blank=True, help_text="Why it did not end well, in a sentence.")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    acknowledgement = models.CharField(
        max_length=300, blank=True, help_text="What was found, or is done about it."
    )

    objects = JobRunQuerySet.as_manager()

    UNDER_WAY = frozenset({State.QUEUED, State.RUNNING})
    # How a run ends that somebody should look at.
    TROUBLED = (State.PARTIAL, State.FAILED, State.CRASHED, State.LOST, State.BLOCKED)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task_id"],
                condition=~Q(task_id="") & ~Q(state="duplicate"),
                name="jobs_jobrun_one_per_task",
            ),
        ]
        indexes = [
            # The run list of a job, and check_job_health's "last success".
            models.Index(fields=["job", "-started_at"], name="jobs_jobrun_history"),
            models.Index(fields=["-started_at"], name="jobs_jobrun_newest"),
            # The newest runs that one firm's people may see: idle ones touched no firm.
            models.Index(
                fields=["job", "-started_at"], condition=~IDLE, name="jobs_jobrun_not_idle"
            ),
            # What was missed.
            models.Index(
                fields=["job", "started_at"],
                condition=Q(silent_since__isnull=False),
                name="jobs_jobrun_after_silence",
            ),
            # close_lost_runs looks through these every few minutes.
            models.Index(
                fields=["heartbeat_at"],
                condition=Q(state="running"),
                name="jobs_jobrun_running",
            ),
            # What needs attention, newest first; check_job_health looks for crashes.
            models.Index(
                fields=["-started_at", "-id"],
                condition=Q(state__in=["partial", "failed", "crashed", "lost", "blocked"]),
                name="jobs_jobrun_troubled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job} #{self.pk}"

    @property
    def totals(self) -> list[Money]:
        """The amounts of the items done, one per currency, ordered by code."""
        return [money.from_minor(minor, code) for code, minor in sorted(self.money.items())]

    @property
    def waited(self) -> timedelta | None:
        """How long the run waited in the queue."""
        return self.started_at - self.queued_at if self.queued_at else None

    @property
    def took(self) -> timedelta | None:
        """How long the run itself took."""
        return self.ended_at - self.started_at if self.ended_at else None

    @property
    def needs_attention(self) -> bool:
        """Whether somebody should look at it and nobody has yet."""
        troubled = self.state in self.TROUBLED
        return troubled and not self.dry_run and self.acknowledged_at is None

    @cached_property
    def ended_well(self) -> bool:
        states = self.State
        return self.state in {states.DONE, states.BUSY, states.DUPLICATE, states.PAUSED}


class JobRunItem(models.Model):
    """What a run decided about one subject. The label is its only personal data."""

    run = models.ForeignKey(JobRun, models.CASCADE, related_name="items")
    firm = models.ForeignKey(
        "firms.Firm", models.CASCADE, null=True, blank=True, related_name="+"
    )
    position = models.PositiveIntegerField()
    subject_kind = models.CharField(max_length=60)
    subject_key = models.CharField(max_length=60)
    subject_part = models.CharField(max_length=60, blank=True)
    subject_label = models.CharField(max_length=200)
    outcome = models.CharField(max_length=8, choices=Outcome)
    action = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    amount_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["run", "position"], name="jobs_jobrunitem_in_order"),
            # "What did every job last decide about this?"
            models.Index(
                fields=["subject_kind", "subject_key", "-recorded_at"],
                name="jobs_jobrunitem_about",
            ),
            # Whether a run touched a firm: what that firm's people may see of the record.
            models.Index(fields=["firm", "run"], name="jobs_jobrunitem_of_firm"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_label}: {self.get_outcome_display()}"

    @property
    def amount(self) -> Money | None:
        if self.amount_minor is None:
            return None
        return money.from_minor(self.amount_minor, self.currency)


class JobRunLog(models.Model):
    """What was logged while a run went on: the first lines and the last."""

    run = models.OneToOneField(JobRun, models.CASCADE, related_name="log")
    text = models.TextField()

    def __str__(self) -> str:
        return f"Log of run {self.run_id}"


class JobPauseQuerySet(models.QuerySet["JobPause"]):
    def in_force(self, at: datetime) -> Self:
        """Pauses that hold at a time; at most one of each job."""
        ahead = Q(until=None) | Q(until__gt=at)
        return self.filter(ahead, since__lte=at, resumed_at=None)

    def touching(self, start: datetime, end: datetime) -> Self:
        """Pauses of which some moment lies between two times."""
        later = Q(until=None) | Q(until__gt=start)
        return self.filter(later, Q(resumed_at=None) | Q(resumed_at__gt=start), since__lt=end)


class JobPause(models.Model):
    """A job rests: its schedules start nothing until then. People may still run it."""

    job = models.CharField(max_length=100)
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True, help_text="Empty: until resumed.")
    reason = models.CharField(max_length=300)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    resumed_at = models.DateTimeField(null=True, blank=True)
    resumed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )

    objects = JobPauseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["job"], condition=Q(resumed_at=None), name="jobs_jobpause_one_open"
            ),
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gt=F("since")), name="jobs_jobpause_forwards"
            ),
        ]
        indexes = [models.Index(fields=["job", "-since"], name="jobs_jobpause_history")]

    def __str__(self) -> str:
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"{self.job} is paused{until}: {self.reason}"

    def holds(self, at: datetime) -> bool:
        """Tell whether it holds at a time."""
        return self.touches(at, at)

    def touches(self, start: datetime, end: datetime) -> bool:
        """Tell whether some moment of it lies between two times."""
        ended = self.ended_at
        return self.since <= end and (ended is None or ended > start)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, or will; nothing while nobody has said."""
        ends = [at for at in (self.until, self.resumed_at) if at]
        return min(ends, default=None)


class RunLock(models.Model):
    """Keeps two runs of a job from overlapping pointlessly. Correctness never rests on it.

    Held while ``expires_at`` is ahead; each holder takes a higher ``fence``, so that one who
    was thought dead can see that the lock has moved on.
    """

    job = models.CharField(max_length=100)
    scope = models.CharField(max_length=100, blank=True)
    run = models.ForeignKey(JobRun, models.SET_NULL, null=True, blank=True, related_name="+")
    fence = models.PositiveBigIntegerField(default=0)
    taken_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "scope"], name="jobs_runlock_one"),
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.scope}".strip()


class ClusterSign(models.Model):
    """The last sign of life of a cluster's own work, seen by its guard from outside."""

    cluster = models.CharField(max_length=100, unique=True)
    canary_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.cluster
