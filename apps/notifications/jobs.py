"""What this app does by itself, and when."""

from apps.jobs.job import DRY_RUN, FIRM_ID, Job, Option
from apps.notifications import explaining, services
from apps.notifications.models import Channel

TO = Option("to", str, "", "Recipient's e-mail address.", metavar="EMAIL")
GROUP = Option(  # Django-Q2 keeps "group" for itself
    "to_group", str, "", "Send to this group.", flag="--group", metavar="NAME"
)
SUBJECT = Option("subject", str, "", "The subject; SMS has none.", metavar="TEXT")
BODY = Option("body", str, "", "What to say; must be given.", metavar="TEXT")
CHANNEL = Option(
    "channel",
    str,
    "",
    "Only by this channel; else by e-mail, in-app and, where agreed to, SMS.",
    choices=tuple(Channel.values),
)
OF_FIRM = Option(
    "firm_id", int, None, "Which firm writes; needed where several could.", metavar="ID"
)
DEDUPE_KEY = Option(
    "dedupe_key", str, "", "Names what is said; it is said once.", metavar="KEY"
)
FORCE = Option("force", bool, False, "Send although the same was sent just now.")

JOBS: tuple[Job, ...] = (
    Job(
        service=services.deliver_notifications,
        cron="* * * * *",
        options=(FIRM_ID, DRY_RUN),
        explains=(explaining.DELIVERIES,),
        touches=("mail", "texts"),
        harm="sends what waits to be sent",
    ),
    # Never by itself. Two at once do not meet: the second finds the keys of the first.
    Job(
        service=services.send_notification,
        options=(TO, GROUP, SUBJECT, BODY, CHANNEL, OF_FIRM, DEDUPE_KEY, FORCE, DRY_RUN),
        locked=False,
        harm="writes to people",
    ),
)
