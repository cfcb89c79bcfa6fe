"""How states of runs and outcomes of items are shown: a sign, a tone and a word.

A tone is a class of console.css: good, bad, warn, going or quiet. Nobody has to see it.
"""

from django.utils.translation import gettext_lazy as _

from apps.core.reports import Outcome
from apps.jobs.models import JobRun

NOTHING = "–"

STATES = {
    JobRun.State.QUEUED: ("…", "going", _("waiting")),
    JobRun.State.RUNNING: ("▶", "going", _("running")),
    JobRun.State.DONE: ("✓", "good", _("done")),
    JobRun.State.PARTIAL: ("!", "bad", _("partly failed")),
    JobRun.State.FAILED: ("✗", "bad", _("failed")),
    JobRun.State.CRASHED: ("✗", "bad", _("crashed")),
    JobRun.State.LOST: ("?", "bad", _("lost")),
    JobRun.State.CANCELLED: ("■", "warn", _("cancelled")),
    JobRun.State.INTERRUPTED: ("■", "warn", _("interrupted")),
    JobRun.State.BLOCKED: ("⊘", "bad", _("blocked")),
    JobRun.State.BUSY: ("=", "quiet", _("busy elsewhere")),
    JobRun.State.DUPLICATE: ("=", "quiet", _("duplicate")),
    JobRun.State.PAUSED: ("‖", "quiet", _("paused")),
}
OUTCOMES = {
    Outcome.DONE: ("✓", "good", _("done")),
    Outcome.SKIPPED: ("-", "quiet", _("skipped")),
    Outcome.DECLINED: ("!", "warn", _("declined")),
    Outcome.FAILED: ("✗", "bad", _("failed")),
    Outcome.STALE: ("~", "warn", _("stale")),
}
TONES = {state.value: tone for state, (_sign, tone, _word) in STATES.items()}  # by plain text
