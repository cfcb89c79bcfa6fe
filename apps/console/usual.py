"""What a job usually does in a run, from the runs that did something."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.core import money
from apps.jobs.locks import scope_of
from apps.jobs.models import JobRun

RUNS = 10  # so many runs say what is usual
FEWEST = 3  # with fewer nothing is
LOOKED_AT = 100  # runs of any scope


@dataclass(frozen=True, slots=True)
class Usual:
    """The least and the most of the last runs; money in minor units per currency."""

    runs: int
    items: tuple[int, int]
    money: dict[str, tuple[int, int]]

    def __str__(self) -> str:
        return ", ".join([self.items_in_words, *map(self._amounts, sorted(self.money))])

    @property
    def items_in_words(self) -> str:
        return _("%(range)s items") % {"range": _range(*map(_grouped, self.items))}

    def _amounts(self, code: str) -> str:
        return _range(*(_written(minor, code) for minor in self.money[code]))

    def outside(self, run: JobRun) -> list[str]:
        """Say what of a run is more or less than ever among the usual ones."""
        said = []
        if not self.items[0] <= run.done <= self.items[1]:
            said.append(
                _("Usually %(usual)s; this would do %(count)s.")
                % {"usual": self.items_in_words, "count": _grouped(run.done)}
            )
        for code, minor in sorted(run.money.items()):
            least, most = self.money.get(code, (0, 0))
            if least <= minor <= most:
                continue
            figure = _written(minor, code)
            if not most:
                said.append(
                    _("Usually nothing in %(code)s; this would be %(sum)s.")
                    % {"code": code, "sum": figure}
                )
                continue
            said.append(
                _("Usually %(usual)s; this would be %(sum)s.")
                % {"usual": self._amounts(code), "sum": figure}
            )
        return said


def usual_of(run: JobRun) -> Usual | None:
    """Return what the last real runs of the same job and scope did; nothing for too few.

    Runs that found nothing to do say nothing about how much is usual when there is.
    """
    before = (
        JobRun.objects.of(run.job)
        .real()
        .filter(done__gt=0, started_at__lt=run.started_at, preview=None, retry_of=None)
        .filter(state__in=[JobRun.State.DONE, JobRun.State.PARTIAL])
        .only("arguments", "done", "money")
        .order_by("-started_at")[:LOOKED_AT]
    )
    scope = scope_of(run.arguments)
    alike = [each for each in before if scope_of(each.arguments) == scope][:RUNS]
    return _range_of(alike) if len(alike) >= FEWEST else None


def _range_of(runs: Sequence[JobRun]) -> Usual:
    codes = {code for run in runs for code in run.money}
    sums = {code: [run.money.get(code, 0) for run in runs] for code in codes}
    counts = [run.done for run in runs]
    return Usual(
        len(runs),
        (min(counts), max(counts)),
        {code: (min(minors), max(minors)) for code, minors in sums.items()},
    )


def _range(least: str, most: str) -> str:
    return least if least == most else f"{least}–{most}"


def _grouped(count: int) -> str:
    return f"{count:,}"


def _written(minor: int, code: str) -> str:
    return money.write_grouped(money.from_minor(minor, code))
