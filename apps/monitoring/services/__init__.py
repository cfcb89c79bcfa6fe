"""What monitoring does: look, tell, let go."""

from apps.monitoring.services.alerts import acknowledge
from apps.monitoring.services.cleanup import cleanup_old_alerts
from apps.monitoring.services.delivering import deliver
from apps.monitoring.services.looking import look, look_if_due

__all__ = ["acknowledge", "cleanup_old_alerts", "deliver", "look", "look_if_due"]
