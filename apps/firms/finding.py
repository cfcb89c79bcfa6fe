"""How firms and those who work for them are found."""

from apps.core.finding import Finder
from apps.firms.models import Firm, User

FINDERS = (
    Finder(model=Firm, columns=("name", "slug"), label="name", firm="pk"),
    Finder(
        model=User,
        columns=("email", "username", "last_name"),
        label="username",
        firm="memberships__firm",
    ),
)
