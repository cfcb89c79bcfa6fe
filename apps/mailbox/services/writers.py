"""Who wrote a letter, as far as its sender's address can tell."""

from collections.abc import Iterable

from apps.contacts.models import Contact


def writers(*, firm_id: int, emails: Iterable[str]) -> dict[str, int]:
    """Return whose addresses these are: confirmed ones, and of one contact only.

    Anybody can type any address: an unconfirmed one would hand a stranger's letters to
    whoever typed it (spec F14).
    """
    rows = Contact.objects.present().filter(
        firm=firm_id, email__in=set(emails) - {""}, email_verified_at__isnull=False
    )
    found: dict[str, int] = {}
    shared: set[str] = set()
    for email, key in rows.values_list("email", "pk"):
        if email in found:
            shared.add(email)
        found[email] = key
    return {email: key for email, key in found.items() if email not in shared}
