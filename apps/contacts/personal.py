"""What contacts hold about people."""

from django.db.models import Q

from apps.contacts.models import Contact, Tombstone
from apps.core.personal import AT_ERASURE, Fate, Holding, People


def _contacts(people: People) -> Q:
    return Q(pk__in=people.contacts) | Q(user__in=people.users)


HOLDINGS = (
    Holding(
        Contact,
        category="contact records",
        of=_contacts,
        exports=(
            *("kind", "display_name", "first_name", "last_name", "email"),
            *("email_verified_at", "phone", "timezone", "locale", "created_at"),
        ),
        fate=Fate.ANONYMISE,
        becomes={
            "display_name": lambda key: f"Erased contact {key}",
            "first_name": "",
            "last_name": "",
            "email": "",
            "email_verified_at": None,
            "phone": "",
            "timezone": "",
            "locale": "",
            "user": None,
            "erased_at": AT_ERASURE,
        },
    ),
    Holding(Tombstone, secret=("digest",)),
)
