"""Why a firm's subscription is charged, reminded of or suspended, and why not."""

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from apps.core.conditions import Sentences
from apps.core.explaining import Explanation, Moment
from apps.subscriptions.models import Subscription, SubscriptionQuerySet
from apps.subscriptions.services.renewals import due_for_renewal, why_not_renewed
from apps.subscriptions.services.statuses import checked, near_expiry, why_no_step

_SERVED: Sentences = {
    "status": _("it is {value}"),
    "expires_on__isnull": _("it never expires"),
}


def _renewed(subscription: Subscription, moment: Moment) -> SubscriptionQuerySet:
    return due_for_renewal(
        Subscription.objects.renewing(),
        today=moment.today,
        days_before=moment.argument("days_before", 3),
        clock=moment.clock,
    )


def _not_renewed(subscription: Subscription, moment: Moment) -> str:
    return why_not_renewed(subscription)


RENEWALS = Explanation(
    model=Subscription,
    selection=_renewed,
    sentences={
        **_SERVED,
        "firm__is_active": _("the firm is suspended or closed"),
        "cancel_at_period_end": _("it was cancelled and ends with what is paid for"),
        "plan__price_minor": _("its plan costs nothing"),
        "expires_on__lte": _("it expires on {value}; what is charged expires by {wanted}"),
        "expires_on__gt": _("it expired on {value}, too long ago to be renewed by itself"),
        "no subscriptions.paymentorder": _(
            "a charge for this expiry is under way, was paid, was tried within 24 hours, or "
            "needs its owner"
        ),
        "failed": _("the bank has refused it as often as it is asked"),
    },
    after=_not_renewed,
    takes=_("The next run charges the saved card."),
    loads=("firm", "plan"),
)


def _checked(subscription: Subscription, moment: Moment) -> SubscriptionQuerySet:
    return near_expiry(checked(), today=moment.today)


def _no_step(subscription: Subscription, moment: Moment) -> str:
    grace = moment.argument("grace_days", settings.SUBSCRIPTION_GRACE_DAYS)
    return why_no_step(subscription, today=moment.today, grace=grace)


STATUS = Explanation(
    model=Subscription,
    selection=_checked,
    sentences={
        **_SERVED,
        "firm__status": _("the firm is closed"),
        "expires_on__lte": _("it expires on {value}; owners hear of it a week before"),
    },
    after=_no_step,
    takes=_("The next run tells its owners, or takes the step that is due."),
    loads=("firm", "plan"),
)
