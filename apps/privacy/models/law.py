"""How long a controller has to answer what people ask of their data."""

from datetime import date, timedelta

from django.db import models

from apps.core.days import add_months


class Law(models.TextChoices):
    """Under which law somebody asks."""

    GDPR = "gdpr", "GDPR"
    CCPA = "ccpa", "CCPA"

    def due_on(self, received_on: date, *, extended: bool) -> date:
        """Return the last day for the answer to what was received on a local day.

        GDPR article 12(3): one calendar month (31 January → 28 February), extendable by two.
        CCPA § 1798.130(a)(2): 45 days, extendable by 45.
        """
        if self == Law.GDPR:
            return add_months(received_on, 3 if extended else 1)
        return received_on + timedelta(days=90 if extended else 45)


class Asked(models.Model):
    """What somebody asked of their data: when, under which law, and until when it is due."""

    law = models.CharField(max_length=4, choices=Law, default=Law.GDPR)
    received_on = models.DateField(help_text="The local date on which it was asked.")
    extended = models.BooleanField(
        default=False, help_text="The person was told in time that it takes longer, and why."
    )
    due_on = models.DateField(editable=False, help_text="The last day for the answer.")

    class Meta:
        abstract = True
