"""Which deals are stale on a day: the rule of spec D13, as a condition for the database.

A deal has been idle since its last touch: the latest of its beginning, of the moment it came
into its stage, and of what a person did last about it. It is stale after as many full days as
its stage says, else its pipeline, else its firm (0: never), unless it is closed or snoozed,
or somebody has planned something within as many days.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TypedDict

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django_stubs_ext import WithAnnotations

from apps.core.days import DAY, local_midnight, zone
from apps.crm.models import Deal, DealActivity, Stage
from apps.firms.models import Firm, FirmSettings


class Judged(TypedDict):
    """What ``judge`` adds to a deal."""

    goes_stale: bool


@dataclass(frozen=True)
class Staleness:
    """When the deals of a firm are stale on a day."""

    firm: Firm
    today: date
    ignores_plans: bool
    thresholds: Mapping[int, int]  # idle days, by stage; 0: never

    @classmethod
    def on(cls, firm: Firm, today: date) -> "Staleness":
        """Look up the thresholds of a firm's stages; one query."""
        settings: FirmSettings = getattr(firm, "settings", None) or FirmSettings()
        usual = Coalesce(
            "stale_after_days", "pipeline__stale_after_days", settings.stale_deal_days
        )
        stages = Stage.objects.filter(firm=firm).values_list("pk", usual)
        return cls(firm, today, settings.stale_deals_ignore_plans, dict(stages))

    def judge(self, deals: "QuerySet[Deal]") -> "QuerySet[WithAnnotations[Deal, Judged]]":
        """Return deals of the firm, each with ``goes_stale``."""
        return deals.annotate(
            goes_stale=Case(
                When(self._condition, then=True), default=False, output_field=BooleanField()
            )
        )

    def stale(self, deals: "QuerySet[Deal]") -> "QuerySet[Deal]":
        """Return those deals of the firm that are stale, whatever their flag says."""
        return deals.filter(self._condition)

    def touched_on(self, deal: Deal) -> date:
        """Return the firm's date of a deal's last touch."""
        return deal.touched_at.astimezone(zone(self.firm.timezone)).date()

    def idle_days(self, deal: Deal) -> int:
        """Return how many full days a deal has been left alone."""
        return (self.today - self.touched_on(deal)).days

    def stale_since(self, deal: Deal) -> date:
        """Return the day on which a stale deal became so: not the day it was noticed."""
        return self.touched_on(deal) + timedelta(days=self.thresholds[deal.stage_id])

    @cached_property
    def _condition(self) -> Q:
        """The rule. Cut-offs are instants, so that a day is as long as it is in the zone."""
        stages: dict[int, list[int]] = defaultdict(list)
        for stage, days in self.thresholds.items():
            stages[days].append(stage)
        idle = Q(pk__in=[])
        for days in sorted(stages.keys() - {0}):
            cutoff = local_midnight(self.today - timedelta(days=days) + DAY, self.firm.timezone)
            untouched = Q(created_at__lt=cutoff, stage_entered_at__lt=cutoff) & (
                Q(last_activity_at=None) | Q(last_activity_at__lt=cutoff)
            )
            idle |= Q(stage__in=stages[days]) & untouched & self._nothing_planned(days)
        awake = Q(snoozed_until=None) | Q(snoozed_until__lte=self.today)
        return Q(firm=self.firm, status=Deal.Status.OPEN) & awake & idle

    def _nothing_planned(self, days: int) -> Q:
        """No person has planned anything for today or the next ``days`` days."""
        if self.ignores_plans:
            return Q()
        first = local_midnight(self.today, self.firm.timezone)
        after = local_midnight(self.today + timedelta(days=days) + DAY, self.firm.timezone)
        planned = DealActivity.objects.filter(
            deal=OuterRef("pk"),
            scheduled_for__gte=first,
            scheduled_for__lt=after,
            occurred_at=None,
            cancelled_at=None,
            is_automated=False,
        )
        return ~Q(Exists(planned))
