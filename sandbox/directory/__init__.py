"""An Active Directory, as far as somebody who only reads can tell.

One domain on one port of loopback, which takes TLS at once and StartTLS alike. It pages, it
gives large attributes in ranges, it counts changes, keeps tombstones, and refuses what a
controller refuses. A controller of Samba, where there is one, is asked the same questions in
the same tests.

``POST /_sandbox/misbehave {"vendor": "directory", "kind": …}`` spoils its answers: ``method``
is BIND, SEARCH or EXTENDED, ``path`` the base of a search, ``where`` may name a ``page``.
"""

from sandbox.directory.domain import BASE, Directory
from sandbox.directory.server import HOST

__all__ = ["BASE", "HOST", "Directory"]
