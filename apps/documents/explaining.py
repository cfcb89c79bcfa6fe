"""Why a signing link expires or somebody is asked for files again, and why not."""

from django.utils.translation import gettext_lazy as _

from apps.core.explaining import Explanation, Moment
from apps.documents.models import (
    LINK_DAYS,
    FileRequest,
    FileRequestQuerySet,
    SignatureRequest,
    SignatureRequestQuerySet,
)
from apps.firms.explaining import unserved


def _lapsed(request: SignatureRequest, moment: Moment) -> SignatureRequestQuerySet:
    days = moment.argument("days", LINK_DAYS)
    return SignatureRequest.objects.lapsed(now=moment.clock.now, days=days)


LINKS = Explanation(
    model=SignatureRequest,
    selection=_lapsed,
    sentences={
        "status": _("only open links expire; it is {value}"),
        "token_created_at|token_expires_at": _(
            "it can still be used: made on {token_created_at}, it ends on {token_expires_at}"
        ),
    },
    takes=_("The next run expires it."),
)


def _due(request: FileRequest, moment: Moment) -> FileRequestQuerySet:
    return FileRequest.objects.due(on=moment.today)


def _told_today(request: FileRequest, moment: Moment) -> str:
    told = request.last_reminder_on == moment.today
    return str(_("there was a reminder today")) if told else ""


FILE_REQUESTS = Explanation(
    model=FileRequest,
    selection=_due,
    sentences={
        "status": _("nothing is outstanding: {value}"),
        "next_reminder_on": _("its next reminder is on {value}"),
    },
    before=(unserved,),
    after=_told_today,
    takes=_("The next run reminds the person, unless they were reminded of another today."),
)
