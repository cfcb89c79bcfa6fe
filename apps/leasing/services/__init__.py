"""What happens in leasing: rent, late fees, reminders and rewards."""

from apps.leasing.services.late_fees import apply_late_fees
from apps.leasing.services.reminders import send_payment_reminders
from apps.leasing.services.rent import generate_monthly_invoices
from apps.leasing.services.rewards import calculate_rewards
from apps.leasing.services.waivers import (
    recheck_late_fees,
    record_rent_payment,
    reverse_late_fee,
    waive_late_fee,
)

__all__ = [
    "apply_late_fees",
    "calculate_rewards",
    "generate_monthly_invoices",
    "recheck_late_fees",
    "record_rent_payment",
    "reverse_late_fee",
    "send_payment_reminders",
    "waive_late_fee",
]
