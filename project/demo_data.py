"""Who seeds the demo world, in order, gathered as ``urls.py`` gathers routes."""

from types import ModuleType

from apps.firms import demo as firms
from apps.jobs import demo as jobs
from apps.leasing import demo as leasing
from apps.notifications import demo as notifications

SEEDERS: tuple[ModuleType, ...] = (firms, leasing, notifications, jobs)
