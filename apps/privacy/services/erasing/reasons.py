"""Why an erasure, or a part of it, did not happen."""

from django.db.models import TextChoices


class Reason(TextChoices):
    DONE_MEANWHILE = "done_meanwhile", "it was done meanwhile"
    BLOCKED = "blocked", "something has to be settled first"
    TOLD_BEFORE = "told_before", "it was told before"
    NO_FIRM = "no_firm", "there is no firm to keep the message with"
    NOBODY_LEFT = "nobody_left", "nobody of it is in the database"
