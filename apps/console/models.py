"""Who may watch and work which jobs, for which firms."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from apps.firms.models import Firm


class Verb(models.TextChoices):
    """What somebody may be let do to a job; who may do anything may look at it, too."""

    VIEW = "view", _("view")
    PREVIEW = "preview", _("preview")
    RUN = "run", _("run")  # run now, cancel, retry, acknowledge
    APPROVE = "approve", _("approve")  # apply exactly what a preview showed
    PAUSE = "pause", _("pause")


class Grant(models.Model):
    """Lets one person, or a group, view one job or all, for one firm or all, and more.

    Superusers need none. A firm's own staff see without one what runs did for their firm.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="console_grants",
    )
    group = models.ForeignKey(
        Group, models.CASCADE, null=True, blank=True, related_name="console_grants"
    )
    job = models.CharField(max_length=100, blank=True, help_text=_("Empty: every job."))
    firm = models.ForeignKey(
        Firm,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Empty: every firm."),
    )
    may_preview = models.BooleanField(default=False)
    may_run = models.BooleanField(
        default=False, help_text=_("Run now, cancel, retry what failed, acknowledge alerts.")
    )
    may_approve = models.BooleanField(
        default=False, help_text=_("Apply exactly what a preview showed.")
    )
    may_pause = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user=None, group__isnull=False) | Q(user__isnull=False, group=None),
                name="console_grant_to_one",
                violation_error_message=_("Choose a person or a group, and not both."),
            ),
            models.UniqueConstraint(  # SQLite holds two empty columns for different
                Coalesce("user", 0),
                Coalesce("group", 0),
                "job",
                Coalesce("firm", 0),
                name="console_grant_once",
                violation_error_message=_("There is such a grant already."),
            ),
            models.CheckConstraint(
                condition=Q(firm=None) | Q(may_pause=False),
                name="console_grant_pauses_all_firms",
                violation_error_message=_("A pause concerns every firm; leave the firm empty."),
            ),
        ]

    def __str__(self) -> str:
        job, firm = self.job or _("every job"), self.firm or _("every firm")
        verbs = ", ".join(str(verb.label) for verb in Verb if self.allows(verb))
        return f"{self.user or self.group}: {verbs} – {job}, {firm}"

    def allows(self, verb: Verb) -> bool:
        return verb == Verb.VIEW or bool(getattr(self, f"may_{verb}"))
