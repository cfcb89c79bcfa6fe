"""Why a mailbox is read, and why not."""

from django.utils.translation import gettext_lazy as _

from apps.core.explaining import Explanation, Moment
from apps.mailbox.models import EmailConnection, EmailConnectionQuerySet
from apps.mailbox.services.syncing import readable


def _readable(connection: EmailConnection, moment: Moment) -> EmailConnectionQuerySet:
    return readable(moment.clock.now)


MAILBOXES = Explanation(
    model=EmailConnection,
    selection=_readable,
    sentences={
        "is_active": _("it is switched off"),
        "status": _("it waits for new credentials: {value}"),
        "backoff_until": _("after a failure it is left alone until {value}"),
        "lease_expires_at": _("a run is reading it, until {value} at the latest"),
        "firm__is_active": _("the firm is suspended or closed"),
    },
    takes=_("The next run reads it."),
)
