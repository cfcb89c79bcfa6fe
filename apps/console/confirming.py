"""How much somebody must confirm before a preview is applied: in proportion to the harm.

The thresholds stand here and nowhere else; ``docs/console.md`` explains them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.console.usual import Usual
from apps.core.problems import BadOption
from apps.jobs.models import JobRun

FEW = 20  # items: up to here, without money and other harm, one button is enough
MANY = 500  # items: from here on their number has to be typed

WOULD_BLOCK = "Would be blocked"  # how the recorder begins the sentence


class Care(StrEnum):
    PRESS = "press"  # one button
    TICK = "tick"  # a page with the totals, and a box to tick
    TYPE = "type"  # the same, and the number of items to type


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What is asked for, and the sentences that say why."""

    care: Care
    why: tuple[str, ...]


def needed(preview: JobRun, usual: Usual | None, *, harm: str = "") -> Confirmation:
    """Return what applying a preview has to be confirmed with.

    ``harm`` is what its job does that cannot be taken back, in words.
    """
    severe = usual.outside(preview) if usual else []
    if WOULD_BLOCK in preview.problem:
        severe.insert(0, blocked_by(preview))
    if preview.done > MANY:
        severe.append(_("More than %(count)d items.") % {"count": MANY})
    if severe:
        return Confirmation(Care.TYPE, tuple(severe))
    why = []
    if preview.done > FEW:
        why.append(_("More than %(count)d items.") % {"count": FEW})
    if harm:
        why.append(_("It %(harm)s.") % {"harm": harm})
    if any(preview.money.values()):
        why.append(_("It moves money."))
    if preview.failed:
        count = preview.failed
        text = ngettext(
            "%(count)d item failed already in the preview.",
            "%(count)d items failed already in the preview.",
            count,
        )
        why.append(text % {"count": count})
    return Confirmation(Care.TICK if why else Care.PRESS, tuple(why))


def check(asked: Confirmation, preview: JobRun, answers: Mapping[str, str]) -> None:
    """Raise ``BadOption`` unless the answers confirm what is asked for."""
    if asked.care == Care.PRESS:
        return
    if not answers.get("sure"):
        raise BadOption(_("Tick the box to say that you have looked at the totals."))
    if asked.care == Care.TYPE:
        typed = "".join(c for c in answers.get("typed", "") if c not in " ,.'\u202f\u00a0")
        if typed != str(preview.done):
            raise BadOption(
                _("Type the number of items, %(count)d, to apply them.")
                % {"count": preview.done}
            )


def blocked_by(preview: JobRun) -> str:
    """Return the sentence about the bound that the real run would break; empty without."""
    _before, found, rest = preview.problem.partition(WOULD_BLOCK)
    return f"{found}{rest}" if found else ""
