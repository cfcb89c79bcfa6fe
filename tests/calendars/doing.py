"""Actions of the tests' own: they note what was done, and fail when told to."""

from apps.calendars.actions import Action, Work
from apps.calendars.services import tell_organiser
from project import workflows

deeds: list[str] = []
troubles: list[Exception] = []  # the next of these comes instead of a deed


def do(work: Work) -> None:
    """Do it, or meet the next trouble."""
    if troubles:
        raise troubles.pop(0)
    deeds.append(work.rule.name)


def tell_and_die(work: Work) -> None:
    """Have an effect, and be killed before anybody knows of it."""
    tell_organiser(work)
    raise KeyboardInterrupt


ACTIONS = {
    **workflows.ACTIONS,
    "do": Action("do it", do),
    "tell_and_die": Action("tell and die", tell_and_die),
}
