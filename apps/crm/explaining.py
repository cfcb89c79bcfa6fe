"""Why a deal is stale, and its owner reminded; and why not."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from apps.core.explaining import Explanation, Moment
from apps.crm.models import Deal, StaleDealAlert
from apps.crm.services.reminders import ESCALATION, MOST, REMINDER, due_alerts
from apps.crm.staleness import Staleness
from apps.firms.explaining import unserved


def _rule(row: Any, moment: Moment) -> Staleness:
    return Staleness.on(row.firm, moment.today)


def _stale(deal: Deal, moment: Moment) -> "QuerySet[Deal]":
    return _rule(deal, moment).stale(Deal.objects.all())


STALE = Explanation(
    model=Deal,
    selection=_stale,
    sentences={
        "status": _("only open deals go stale; it is {value}"),
        "snoozed_until": _("it is snoozed until {value}"),
        "id*": _("somebody touched it lately, or has planned something soon"),
    },
    before=(unserved,),
    takes=_("It is stale: the next run flags it, if it is not flagged already."),
    loads=("firm__settings",),
)


def _due(alert: StaleDealAlert, moment: Moment) -> "QuerySet[StaleDealAlert]":
    kind = REMINDER if alert.reminder_count < MOST else ESCALATION
    return due_alerts(kind, _rule(alert, moment))


REMINDERS = Explanation(
    model=StaleDealAlert,
    selection=_due,
    sentences={
        "resolved_on": _("its deal recovered on {value}"),
        "escalated_on": _("the manager was told on {value}; nobody is any more"),
        "last_reminded_on": _("its owner was reminded on {value}; again a week after that"),
        "deal": _("its deal is not stale any more"),
    },
    before=(unserved,),
    takes=_("The next run reminds the deal's owner, or at last a manager."),
    loads=("firm__settings",),
)
