"""What staff see of deals, and what they may press."""

from apps.crm.admin.deals import DealAdmin
from apps.crm.admin.history import DealActivityAdmin, StaleDealAlertAdmin
from apps.crm.admin.pipelines import PipelineAdmin

__all__ = ["DealActivityAdmin", "DealAdmin", "PipelineAdmin", "StaleDealAlertAdmin"]
