"""What the proof comes to, in a table: figures of many chapters, added up."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.proof.judge import Verdict
from tests.proof.points import JOBS, Point
from tests.proof.story import Chapter

PROPERTY = "proof"  # of a test's report
WIDE, NARROW = 26, 28

Figures = Mapping[str, Mapping[str, int]]


def figures(story: Chapter, verdict: Verdict) -> Figures:
    """Return a chapter's figures, as JSON can carry them from one process to another."""
    tally = story.tally
    return {
        "kills": {f"{job}: {point}": count for (job, point), count in tally.kills.items()},
        "deliveries": {
            "to one worker or to two at once": tally.deliveries,
            "not killed, though told to": tally.survived,
        },
        "requests spoiled": dict(tally.trouble),
        "callbacks": dict(story.mail.fates),
        "charges": {
            "made by the providers": verdict.charges,
            "double": len(verdict.doubled),
            "lost": len(verdict.lost),
            "in the books only": len(verdict.invented),
            "without an end": len(verdict.unfinished),
            "otherwise wrong": len(verdict.crooked),
            "left to a person, who decided": tally.decided,
        },
    }


def table(chapters: Iterable[Figures]) -> str:
    """Return the sums of all chapters in words and columns."""
    sums: dict[str, Counter[str]] = {}
    for chapter in chapters:
        for name, counts in chapter.items():
            sums.setdefault(name, Counter()).update(counts)
    kills: Counter[Any] = sums.pop("kills")
    lines = ["".ljust(WIDE) + "".join(job.rjust(NARROW) for job in JOBS)]
    for point in Point:
        columns = (str(kills[f"{job}: {point}"]).rjust(NARROW) for job in JOBS)
        lines.append(point.ljust(WIDE) + "".join(columns))
    lines += ["", f"Kills: {kills.total()}"]
    for name, counts in sums.items():
        told = ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))
        lines.append(f"{name.capitalize()}: {told}")
    return "\n".join(lines)
