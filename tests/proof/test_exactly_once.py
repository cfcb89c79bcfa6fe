"""Whatever dies, and whenever: nobody is charged twice, and nobody is forgotten.

``make test`` reads one chapter, which kills every job once at every point; ``make proof``
reads as many as ``KILLS`` asks for. ``SEED`` begins them all; a failure names its own.
"""

import os
from collections import Counter
from collections.abc import Callable

import pytest

from sandbox import Sandbox
from tests.proof.story import ALL, Chapter
from tests.proof.table import PROPERTY, figures
from tests.proof.workers import Workers

pytestmark = [pytest.mark.proof, pytest.mark.slow]

SEED = os.environ.get("SEED", "nightshift")
CHAPTERS = -(-int(os.environ.get("KILLS", "1")) // len(ALL))


@pytest.mark.parametrize("chapter", range(1, CHAPTERS + 1))
def test_every_charge_happens_exactly_once(
    chapter: int,
    sandbox: Sandbox,
    workers: Workers,
    record_property: Callable[[str, object], None],
) -> None:
    with Chapter(sandbox, workers, seed=f"{SEED}-{chapter}") as story:
        story.kill_everywhere()
        verdict = story.settle()
    record_property(PROPERTY, figures(story, verdict))
    assert not verdict.complaints, "\n".join([f"seed {story.seed}", *verdict.complaints])
    assert story.tally.kills == Counter(ALL), story.seed
