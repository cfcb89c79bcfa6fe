"""Who may do what to which job, for which firm; and what of the record they see.

``Rights`` asks for a person's grants once and then answers from memory, so that a page may
ask at each of its buttons. A firm of ``None`` means *all firms*: a run that is confined to no
firm needs a grant that is confined to none.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.console.models import Grant, Verb
from apps.firms.models import Firm, User
from apps.firms.services import find_firm, find_tenant
from apps.jobs.job import Job, registry
from apps.jobs.models import IDLE, JobRun, JobRunItem

__all__ = ["FIRMS", "Rights", "Verb", "firm_of"]

FIRMS = 200  # so many are offered in a list; more are named by their slug or number


class Rights:
    """What one person may see and do."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.everything = user.is_active and user.is_superuser

    def may(self, verb: Verb, job: str, firm_id: int | None = None) -> bool:
        """Tell whether a verb is allowed on a job, for one firm or (``None``) for all."""
        return self.everything or any(
            grant.allows(verb) and grant.job in {"", job} and grant.firm_id in {None, firm_id}
            for grant in self._grants
        )

    def may_somewhere(self, verb: Verb, job: str) -> bool:
        """Tell whether a verb is allowed on a job for some firm at least."""
        return self.everything or any(
            grant.allows(verb) and grant.job in {"", job} for grant in self._grants
        )

    def demand(self, verb: Verb, job: str, firm_id: int | None = None) -> None:
        """Raise ``PermissionDenied`` unless the verb is allowed."""
        if not self.may(verb, job, firm_id):
            raise PermissionDenied(f"No grant to {verb} {job} for this firm.")

    @property
    def any(self) -> bool:
        """Whether the console has anything to show to this person."""
        return self.everything or bool(self._grants)

    def jobs(self, verb: Verb = Verb.VIEW) -> list[Job]:
        """Return the jobs on which a verb is allowed, for some firm at least."""
        return [job for job in registry() if self.may_somewhere(verb, job.name)]

    @property
    def whole(self) -> bool:
        """Whether every job may be seen for every firm, and so how the platform is."""
        return self.may(Verb.VIEW, "")

    def firms(self) -> "QuerySet[Firm]":
        """Return the firms of which anything may be seen."""
        if self.everything or any(grant.firm_id is None for grant in self._grants):
            return Firm.objects.all()
        return Firm.objects.filter(pk__in={grant.firm_id for grant in self._grants})

    def firms_for(self, verbs: Iterable[Verb], job: str) -> "QuerySet[Firm]":
        """Return the firms for which one of some verbs is allowed on a job."""
        wanted = list(verbs)
        if any(self.may(verb, job) for verb in wanted):
            return Firm.objects.all()
        granted = {
            grant.firm_id
            for grant in self._grants
            if grant.firm_id is not None
            and grant.job in {"", job}
            and any(map(grant.allows, wanted))
        }
        return Firm.objects.filter(pk__in=granted)

    def sees_whole(self, run: JobRun) -> bool:
        """Tell whether a run may be seen with its totals, words and arguments.

        They speak of every firm that it touched. A run that was confined to one firm is whole
        for whoever may see that firm.
        """
        return self.may_on(Verb.VIEW, run)

    def may_on(self, verb: Verb, run: JobRun) -> bool:
        """Tell whether a verb is allowed on a job as far as one of its runs reaches."""
        return self.may(verb, run.job, self._firm_of(run))

    def demand_on(self, verb: Verb, run: JobRun) -> None:
        """Raise ``PermissionDenied`` unless the verb is allowed on a run as it is."""
        self.demand(verb, run.job, self._firm_of(run))

    def items_of(self, run: JobRun) -> "QuerySet[JobRunItem]":
        """Return the items of a run that may be seen, in no order."""
        if self.sees_whole(run):
            return JobRunItem.objects.filter(run=run)
        return self.items().filter(run=run)

    def runs(self) -> "QuerySet[JobRun]":
        """Return the runs of which something may be seen, in no order."""
        if self.everything:
            return JobRun.objects.all()
        touched = JobRunItem.objects.filter(self._seen_items(), run=OuterRef("pk"))
        # Idle runs have no items: they are not looked into, and an index leaves them out.
        seen = ~IDLE & (Q(started_by=self.user) | Exists(touched))
        whole = self._jobs_seen(whole=True)
        return JobRun.objects.filter(Q(job__in=whole) | seen if whole else seen)

    def items(self) -> "QuerySet[JobRunItem]":
        """Return the items that may be seen, in no order."""
        if self.everything:
            return JobRunItem.objects.all()
        whole = Q(run__job__in=self._jobs_seen(whole=True))
        return JobRunItem.objects.filter(whole | self._seen_items())

    # ---- inside -------------------------------------------------------------------------

    @cached_property
    def _grants(self) -> list[Grant]:
        user = self.user
        if not (user.is_active and user.is_staff):
            return []
        given = Grant.objects.filter(Q(user=user) | Q(group__in=user.groups.all()))
        grants = list(given.select_related("firm"))
        if any(not grant.job and grant.firm_id is None for grant in grants):
            return grants  # their own firms add nothing
        if user.has_perm("jobs.view_jobrun"):
            grants += [Grant(user=user, firm=firm) for firm in user.firms()]
        return grants

    def _jobs_seen(self, *, whole: bool) -> set[str]:
        """Return the names of jobs that are seen for all firms, or for some only."""
        names: set[str] = set()
        for grant in self._grants:
            if (grant.firm_id is None) == whole:
                names |= {grant.job} if grant.job else {job.name for job in registry()}
        return names

    def _seen_items(self) -> Q:
        """Return the condition on items of firms of which some jobs only are seen."""
        by_job: dict[str, set[int]] = {}
        for grant in self._grants:
            if grant.firm_id is not None:
                by_job.setdefault(grant.job, set()).add(grant.firm_id)
        seen = Q(firm__in=by_job.pop("", set()))
        for job, firms in by_job.items():
            seen |= Q(run__job=job, firm__in=firms)
        return seen

    @cached_property
    def _slugs(self) -> dict[str, int]:
        return {grant.firm.slug: grant.firm.pk for grant in self._grants if grant.firm}

    def _firm_of(self, run: JobRun) -> int | None:
        """Return the firm that a run was confined to, as far as this person knows it."""
        key, slug = _named(run.arguments)
        return self._slugs.get(slug) if slug else key


def firm_of(arguments: Mapping[str, Any]) -> int | None:
    """Return the firm that a run's arguments confine it to, ``None`` for all firms.

    Raises ``BadOption`` for a firm that does not exist.
    """
    key, slug = _named(arguments)
    if slug:
        return find_tenant(slug).pk
    return None if key is None else find_firm(key).pk


def _named(arguments: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return a firm's key and slug out of arguments; a ``tenant`` may be a renter's number."""
    key, slug = arguments.get("firm_id"), arguments.get("tenant")
    return key if isinstance(key, int) else None, slug if isinstance(slug, str) else ""
