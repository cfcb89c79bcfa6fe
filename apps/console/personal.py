"""What the console's tables hold about people."""

from apps.console.models import Grant
from apps.core.personal import Basis, Holding, by_user

HOLDINGS = (
    Holding(
        Grant,
        category="memberships",
        of=by_user("user"),
        basis=Basis.DERIVED,
        exports=("job", "may_preview", "may_run", "may_approve", "may_pause"),
    ),
)
