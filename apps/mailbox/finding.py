"""How mailboxes are found."""

from apps.core.finding import Finder
from apps.mailbox.models import EmailConnection

FINDERS = (
    Finder(model=EmailConnection, columns=("name", "username"), label="name", loads=("firm",)),
)
