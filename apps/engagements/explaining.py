"""Why an engagement is invoiced, and why not."""

from django.utils.translation import gettext_lazy as _

from apps.core.explaining import Explanation, Moment
from apps.engagements.models import Engagement, EngagementQuerySet
from apps.engagements.services.packages import look_at
from apps.firms.explaining import unserved


def _billed(engagement: Engagement, moment: Moment) -> EngagementQuerySet:
    return Engagement.objects.billed_by_package()


def _not_due(engagement: Engagement, moment: Moment) -> str:
    reasons = [finding.reason for finding in look_at(engagement, today=moment.today)]
    return str(reasons[0].label) if reasons and reasons[0] else ""


PACKAGES = Explanation(
    model=Engagement,
    selection=_billed,
    sentences={
        "status": _("only active engagements are billed; it is {value}"),
        "pricing_mode": _("it has no package fee: its price is {value}"),
    },
    before=(unserved,),
    after=_not_due,
    takes=_("The next run issues its invoice."),
    loads=("firm__settings", "account"),
)
