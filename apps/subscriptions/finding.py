"""How the platform's own customers are found, by the platform's own people."""

from apps.core.finding import Finder, Relation
from apps.firms.models import Firm
from apps.subscriptions.models import Subscription

FINDERS = (
    Finder(
        model=Subscription,
        columns=("firm__slug", "firm__name"),
        label="firm__slug",
        firm="",
        loads=("firm", "plan"),
    ),
)

RELATIONS = (
    Relation(
        to=Firm,
        rows=lambda firm: Subscription.objects.filter(firm=firm),
        label="firm__slug",
    ),
)
