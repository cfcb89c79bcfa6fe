"""The project's baseline with a last step that fails."""

from apps.core.days import Clock
from apps.firms.models import Firm
from project.baseline import STEPS as REAL_STEPS
from project.baseline import TIERS

__all__ = ["STEPS", "TIERS"]


def fail(*, firm: Firm, clock: Clock) -> None:
    """Fail when everything else has been made."""
    raise RuntimeError("the last step failed")


STEPS = (*REAL_STEPS, fail)
