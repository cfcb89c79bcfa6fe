"""The demo world's part of this app."""

from apps.core.demo import World


def seed(world: World) -> None:
    """Make nothing yet."""
