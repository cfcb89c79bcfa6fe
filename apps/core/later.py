"""What leaves the building waits for the commit."""

from collections.abc import Callable

from django.db import transaction


def after_commit(do: Callable[[], object]) -> None:
    """Do something when the surrounding transaction has committed, and never if it does not.

    Its failure must not undo or hide what was committed, so it is logged and goes no further.
    """
    transaction.on_commit(do, robust=True)
