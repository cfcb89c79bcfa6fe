"""What deals hold about people: with whom they are, and what was done about them."""

from apps.core.personal import Basis, Fate, Holding, by_contact
from apps.crm.models import Deal, DealActivity, Pipeline, Stage, StaleDealAlert

HOLDINGS = (
    Holding(
        StaleDealAlert,
        category="deals",
        of=by_contact("deal__contact"),
        basis=Basis.DERIVED,
        exports=("deal__title", "opened_on", "resolved_on"),
        fate=Fate.ANONYMISE,
    ),
    # What staff noted for themselves is not exported.
    Holding(
        DealActivity,
        category="deals",
        of=by_contact("deal__contact"),
        basis=Basis.DERIVED,
        exports=("deal__title", "type", "scheduled_for", "occurred_at", "cancelled_at"),
        fate=Fate.ANONYMISE,
        becomes={"note": ""},
        authors=("author",),
        told=("note",),
    ),
    Holding(
        Deal,
        category="deals",
        of=by_contact("contact"),
        basis=Basis.DERIVED,
        exports=(
            *("title", "stage__name", "amount_minor", "currency", "close_date", "status"),
            *("created_at", "closed_at"),
        ),
        fate=Fate.ANONYMISE,
        becomes={"title": lambda key: f"Deal {key}"},
        authors=("owner",),
        told=("title",),
    ),
    # ---- nobody's ---------------------------------------------------------------------
    Holding(Stage, plain=("name",)),
    Holding(Pipeline, authors=("manager",), plain=("name",)),
)
