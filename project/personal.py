"""What every app holds about people, gathered as ``urls.py`` gathers routes."""

from collections.abc import Callable, Mapping

from apps.access import personal as access
from apps.audit import personal as audit
from apps.audit import retention as audit_retention
from apps.billing import personal as billing
from apps.calendars import personal as calendars
from apps.console import personal as console
from apps.contacts import personal as contacts
from apps.core.personal import Alongside, Blocker, Expiry, Holding, Need
from apps.crm import personal as crm
from apps.directory import personal as directory
from apps.discrepancies import personal as discrepancies
from apps.documents import personal as documents
from apps.documents import retention as documents_retention
from apps.engagements import personal as engagements
from apps.fieldwork import personal as fieldwork
from apps.fieldwork import retention as fieldwork_retention
from apps.firms import personal as firms
from apps.firms import retention as firms_retention
from apps.installations import personal as installations
from apps.jobs import personal as jobs
from apps.leasing import personal as leasing
from apps.leasing import retention as leasing_retention
from apps.mailbox import personal as mailbox
from apps.mailbox import retention as mailbox_retention
from apps.monitoring import personal as monitoring
from apps.notifications import personal as notifications
from apps.notifications import retention as notifications_retention
from apps.privacy import personal as privacy
from apps.privacy import retention as privacy_retention
from apps.privacy.services import remove_file, write_journal
from apps.subscriptions import personal as subscriptions
from apps.weather import personal as weather
from apps.webhooks import personal as webhooks
from apps.webhooks import retention as webhooks_retention

# From the top of the house down, as within each page: what hangs on a row, or is found by it,
# comes before it.
HOLDINGS: tuple[Holding, ...] = (
    *access.HOLDINGS,
    *console.HOLDINGS,
    *privacy.HOLDINGS,
    *weather.HOLDINGS,
    *fieldwork.HOLDINGS,
    *leasing.HOLDINGS,
    *engagements.HOLDINGS,
    *mailbox.HOLDINGS,
    *subscriptions.HOLDINGS,
    *billing.HOLDINGS,
    *documents.HOLDINGS,
    *crm.HOLDINGS,
    *calendars.HOLDINGS,
    *directory.HOLDINGS,
    *discrepancies.HOLDINGS,
    *webhooks.HOLDINGS,
    *notifications.HOLDINGS,
    *monitoring.HOLDINGS,
    *audit.HOLDINGS,
    *contacts.HOLDINGS,
    *firms.HOLDINGS,
    *jobs.HOLDINGS,
    *installations.HOLDINGS,
)

EXPIRIES: tuple[Expiry, ...] = (
    *notifications_retention.EXPIRIES,
    *mailbox_retention.EXPIRIES,
    *documents_retention.EXPIRIES,
    *audit_retention.EXPIRIES,
    *webhooks_retention.EXPIRIES,
    *firms_retention.EXPIRIES,
)

NEEDS: tuple[Need, ...] = (
    *fieldwork_retention.NEEDS,
    *leasing_retention.NEEDS,
    *mailbox_retention.NEEDS,
    *privacy_retention.NEEDS,
)

BLOCKERS: tuple[Blocker, ...] = (
    *firms.BLOCKERS,
    *billing.BLOCKERS,
    *engagements.BLOCKERS,
    *leasing.BLOCKERS,
    *fieldwork.BLOCKERS,
)

ALONGSIDE: tuple[Alongside, ...] = (leasing.held_with_leases,)

OUTSIDE: Mapping[str, Callable[[str], None]] = {
    **billing.OUTSIDE,
    **documents.OUTSIDE,
    "export_file": remove_file,
    "journal": write_journal,
}
