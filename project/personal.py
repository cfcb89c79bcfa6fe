"""What every app holds about people, gathered as ``urls.py`` gathers routes."""

from collections.abc import Callable, Mapping

from apps.contacts import personal as contacts
from apps.core.personal import Blocker, Expiry, Holding

HOLDINGS: tuple[Holding, ...] = (*contacts.HOLDINGS,)

EXPIRIES: tuple[Expiry, ...] = ()

BLOCKERS: tuple[Blocker, ...] = ()

OUTSIDE: Mapping[str, Callable[[str], None]] = {}
