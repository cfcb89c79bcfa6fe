"""Which firms a job is for."""

from apps.core.problems import BadOption
from apps.firms.models import Firm


def find_firm(firm_id: int) -> Firm:
    """Return a firm by its id; raises ``BadOption`` for an unknown one (spec A9)."""
    try:
        return Firm.objects.get(pk=firm_id)
    except Firm.DoesNotExist:
        raise BadOption(f"Firm with ID {firm_id} does not exist.") from None


def find_tenant(slug: str) -> Firm:
    """Return a firm by its slug, the *schema name* of the option ``--tenant`` (C-1)."""
    try:
        return Firm.objects.get(slug=slug)
    except Firm.DoesNotExist:
        raise BadOption(f"Tenant '{slug}' does not exist.") from None


def why_not_served(firm: Firm) -> str:
    """Return the sentence for a firm that this job leaves alone, or nothing (spec A9)."""
    return "" if firm.is_active else f"Firm {firm.pk} is {firm.status}; skipped."
