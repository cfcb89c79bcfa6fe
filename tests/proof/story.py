"""One chapter of the proof: jobs are killed one after the other, then everything settles."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Self
from uuid import UUID

import time_machine
from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from apps.billing.models import Invoice, PaymentAttempt
from apps.billing.services.settling import decide_attempt
from apps.core.days import Clock
from apps.subscriptions.models import PaymentOrder
from apps.subscriptions.services import decide_order
from sandbox import Sandbox
from tests.factories import UserFactory
from tests.proof.judge import Verdict, judge
from tests.proof.mailbag import Mailbag
from tests.proof.points import AT_THE_PROVIDER, JOBS, Point, killed_by_provider
from tests.proof.workers import Ending, Order, Workers
from tests.proof.world import World

BEGINNING = "2025-06-10T15:00:00Z"
CHARGES, PAYMENTS, INBOX = JOBS
ALL = [(job, point) for job in JOBS for point in Point]
TRIES = 8  # to die at one point: the n-th time may not come, or another worker be faster

# What a provider may do to a request that moves money.
TROUBLE = (
    "timeout_after", "timeout_before", "error_after", "error_before", "reset_after",
    "reset_before", "malformed", "rate_limit",
)  # fmt: skip
PAUSES = {  # how long after a death, and how often of a hundred times
    timedelta(seconds=5): 30,
    timedelta(minutes=6): 30,
    timedelta(minutes=20): 24,
    timedelta(hours=2): 11,
    timedelta(hours=25): 5,  # the providers have forgotten the keys of before
}
A_DAY = timedelta(hours=25)
DAYS_AT_MOST = 16  # until everything has settled; or else it never will
RECONCILE = "reconcile_stripe"


@dataclass
class Tally:
    """What happened in a chapter."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    survived: int = 0  # deliveries that were to die and did not come by the point
    deliveries: int = 0
    decided: int = 0  # by a person, as nobody else could know
    trouble: Counter[str] = field(default_factory=Counter)


class Chapter:
    """A world of its own, in which time passes as it is told.

    ``calm``: every card is good, and nothing goes wrong but the deaths that are ordered.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        workers: Workers,
        *,
        seed: str,
        plant: str = "",
        calm: bool = False,
    ) -> None:
        self.seed, self.rng = seed, Random(seed)
        self.sandbox, self.workers = sandbox, workers
        self.plant, self.calm = plant, calm
        self.tally = Tally()
        self._time = time_machine.travel(BEGINNING, tick=True)

    def __enter__(self) -> Self:
        self._clock = self._time.start()
        self.world = World(self.sandbox, self.rng, calm=self.calm)
        self.mail = Mailbag(self.sandbox, self.world.address, self.rng)
        return self

    def __exit__(self, *_: object) -> None:
        self._time.stop()

    # ---- the killing ----------------------------------------------------------------------

    def kill_everywhere(self) -> None:
        """Kill each job once at each of its points, in any order, whatever else goes wrong."""
        for job, point in self.rng.sample(ALL, len(ALL)):
            for attempt in range(TRIES):
                nth = 1 if attempt else self.rng.choice((1, 1, 2, 3))
                if self.kill(job, point, nth=nth, undisturbed=attempt > 1):
                    break
            self._aftermath()

    def kill(self, job: str, point: Point, *, nth: int = 1, undisturbed: bool = False) -> bool:
        """Let there be work, and a worker that dies in it; whether it did."""
        self.make_work(job)
        calm = self.calm or undisturbed
        workers = 2 if self.rng.random() < 0.3 and not calm else 1
        how = self.rng.choice(("task", "command", "service", "service"))
        task = self._new_task()
        with ExitStack() as stack:
            if job != INBOX and self.rng.random() < 0.5 and not calm:
                stack.enter_context(self._trouble(job))
            if point in AT_THE_PROVIDER:
                hook = killed_by_provider(self.sandbox.core, point, JOBS[job], nth=nth)
                stack.enter_context(hook)
                ending = self.deliver(job, how=how, task=task, workers=workers)
            else:
                ending = self.deliver(
                    job, how=how, task=task, workers=workers, point=point, nth=nth
                )
        self.tally.kills[job, point] += ending.kills
        self.tally.survived += not ending.kills
        if how == "task" and self.rng.random() < 0.5:
            self.deliver(job, task=task)  # the queue hands it out again
        return bool(ending.kills)

    def make_work(self, job: str) -> None:
        """Let there be something to do for a job."""
        if job != PAYMENTS:
            self.world.invoices(2)
        if job != CHARGES:
            self.world.subscribers(2)
        if job == INBOX:
            self.mail.deliver()
            with self._trouble(CHARGES, "reset_after"):  # so that the event is the first news
                self.deliver(CHARGES)
            self.deliver(PAYMENTS)
            self.sandbox.tick()
            self.mail.deliver(faithfully=True)

    def _aftermath(self) -> None:
        """Let some time pass, some mail arrive, and perhaps some runs go well."""
        draw = self.rng.random
        if draw() < 0.6:
            self.mail.deliver()
        if draw() < 0.1:
            self.world.return_a_debit()
        if draw() < 0.3:
            self.deliver(INBOX, workers=2 if draw() < 0.3 else 1)
        [pause] = self.rng.choices(list(PAUSES), list(PAUSES.values()))
        if pause == A_DAY:
            self.world.fill_cards()
        self.wait(pause)
        if pause >= timedelta(hours=2) or draw() < 0.2:
            self.run_all()

    # ---- the settling ---------------------------------------------------------------------

    def settle(self) -> Verdict:
        """Let the jobs run undisturbed until nothing is open; return the judge's verdict."""
        self.sandbox.core.misbehaviours.reset()
        self.world.fill_cards()
        for pause in (timedelta(minutes=6), timedelta(minutes=20), A_DAY, A_DAY):
            self._live_on(pause)
        for _ in range(DAYS_AT_MOST):
            if not self._open():
                break
            self._live_on(self._until_next())
        self._live_on(timedelta(minutes=20))
        return judge(self.world)

    def _live_on(self, pause: timedelta) -> None:
        """Let time pass and everybody do what they do every day, the person in charge too."""
        self.wait(pause)
        self.mail.deliver()
        self.run_all()
        self.deliver(RECONCILE, how="command", arguments={"repair": True})
        self._decide()

    def run_all(self) -> None:
        """Let every job run once, as in any hour of any day."""
        for job in JOBS:
            self.deliver(job)

    def _open(self) -> bool:
        waits = Invoice.objects.collectable().filter(autopay_status__in=Invoice.CHARGEABLE)
        return (
            waits.filter(autopay_opt_in=True).exists()
            or PaymentAttempt.objects.filter(status__in=PaymentAttempt.OPEN).exists()
            or PaymentOrder.objects.filter(status__in=PaymentOrder.OPEN).exists()
        )

    def _until_next(self) -> timedelta:
        """Return how long nothing happens: until a retry is due, at most some days."""
        retries = Invoice.objects.filter(autopay_status=Invoice.Autopay.RETRYING)
        due = retries.aggregate(due=Min("autopay_next_charge_at"))["due"]
        wait = due - timezone.now() + timedelta(minutes=1) if due else A_DAY * 2
        return min(max(wait, timedelta(minutes=20)), A_DAY * 3)

    def _decide(self) -> None:
        """Do what a person does about what nobody can know: look at the provider, decide."""
        someone = UserFactory(username=f"operator-{self.tally.deliveries}")
        clock = Clock.read()
        moved = {
            effect.metadata.get("external_id") or effect.metadata.get("attempt"): effect.id
            for effect in self.sandbox.core.log.effects
        }
        for order in PaymentOrder.objects.filter(status=PaymentOrder.Status.UNKNOWN):
            charged = order.external_order_id in moved
            with transaction.atomic():
                decide_order(
                    order=order, charged=charged, reason="looked", by=someone, clock=clock
                )
            self.tally.decided += 1
        for attempt in PaymentAttempt.objects.filter(status=PaymentAttempt.Status.UNKNOWN):
            reference = moved.get(str(attempt.pk), "")
            decide_attempt(
                attempt=attempt,
                happened=bool(reference),
                gateway_ref=reference,
                actor=someone,
                reason="looked",
                now=clock.now,
            )
            self.tally.decided += 1

    # ---- what can be done -----------------------------------------------------------------

    def deliver(self, job: str, **how: object) -> Ending:
        """Let a worker, or two, do a job now."""
        order = Order(job, now=timezone.now().timestamp(), plant=self.plant, **how)  # type: ignore[arg-type]
        order.task = order.task or self._new_task()
        self.tally.deliveries += order.workers
        ending = self.workers.carry_out(order)
        print(f"{timezone.now():%d %b %H:%M:%S}", order.summary, ending)
        return ending

    def wait(self, pause: timedelta) -> None:
        """Let time pass, for the providers too."""
        self._clock.shift(pause)
        self.sandbox.tick()

    @contextmanager
    def _trouble(self, job: str, kind: str = "") -> Iterator[None]:
        kind = kind or self.rng.choice(TROUBLE)
        provider = self.sandbox.stripe if job == CHARGES else self.sandbox.bog
        details = {}
        if kind.startswith("error"):
            refusal = 401 if kind == "error_before" else 500  # a 500 is stored under the key
            details = {"status": self.rng.choice((500, 503, refusal))}
        nth = self.rng.choice((1, 1, 2))
        rule = provider.misbehave(kind, path=JOBS[job].call[1], nth=nth, **details)
        yield
        if rule.played:
            self.tally.trouble[kind] += rule.played
        self.sandbox.core.misbehaviours.reset()

    def _new_task(self) -> str:
        return UUID(int=self.rng.getrandbits(128), version=4).hex
