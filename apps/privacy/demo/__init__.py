"""The demo world's part of privacy: what is too old to keep, and who asks to be erased."""

from apps.core.demo import World
from apps.privacy.demo import old, requests


def seed(world: World) -> None:
    """Make old data with a hold on some of it, and requests to be erased."""
    old.seed(world)
    requests.seed(world)


def clear() -> None:
    """Delete what belongs to the demo world and names no firm."""
    old.clear()
    requests.clear()
