"""Why a message goes out, and why not."""

from django.utils.translation import gettext_lazy as _

from apps.core.explaining import Explanation, Moment
from apps.notifications.models import Delivery, DeliveryQuerySet


def _due(delivery: Delivery, moment: Moment) -> DeliveryQuerySet:
    return Delivery.objects.due(now=moment.clock.now)


DELIVERIES = Explanation(
    model=Delivery,
    selection=_due,
    sentences={
        "status": _("it is not waiting any more: {value}"),
        "next_attempt_at": _("it waits until {value}"),
    },
    takes=_("The next run delivers it."),
)
