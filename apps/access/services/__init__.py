"""Who gets in: the second factor, and who has to have one."""

from apps.access.services.factors import (
    accept_code,
    begin_second_factor,
    confirm_second_factor,
    renew_backup_codes,
    reset_second_factor,
    turn_second_factor_off,
)
from apps.access.services.required import Standing, standing, with_standing

__all__ = [
    "Standing",
    "accept_code",
    "begin_second_factor",
    "confirm_second_factor",
    "renew_backup_codes",
    "reset_second_factor",
    "standing",
    "turn_second_factor_off",
    "with_standing",
]
