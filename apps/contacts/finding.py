"""How people are found."""

from apps.contacts.models import Contact
from apps.core.finding import Finder

FINDERS = (
    Finder(
        model=Contact,
        columns=("email", "display_name", "last_name"),
        label="display_name",
        loads=("firm",),
    ),
)
