"""A second factor: set up, used, and given up.

Each of these locks the person's row, so that a code is accepted once, however many browsers
send it. What was wrong is written down before it is said: it makes the next attempt wait.
"""

import math
import secrets
from base64 import b32encode
from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from apps.access.models import Authenticator, BackupCode
from apps.audit.services import record
from apps.core.fields import Secrets
from apps.core.hashes import keyed_hashes
from apps.core.problems import Problem
from apps.firms.models import User

CODES = 10  # backup codes in a set
DIGITS = 6  # of the codes that a phone makes
WRONG = "This code is not right. Codes are new every 30 seconds, and each works once."

_PURPOSE = "apps.access.BackupCode"


def begin_second_factor(*, user: User) -> Authenticator:
    """Make a key for somebody's phone; it counts for nothing until a code confirms it.

    Raises Problem when they have a second factor already.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        found = Authenticator.objects.filter(user=user)
        if found.filter(confirmed=True).exists():
            raise Problem("Your second factor is on already.")
        found.delete()
        secret = Secrets(key=secrets.token_hex(20))  # 160 bits, as RFC 4226 has it
        return Authenticator.objects.create(
            user=user, name="Authenticator", confirmed=False, secret=secret
        )


def confirm_second_factor(*, user: User, code: str) -> tuple[Authenticator, list[str]]:
    """Turn somebody's second factor on; return it and the backup codes, shown this once.

    Raises Problem when the code is not of the phone that was set up, or too soon after one
    that was wrong.
    """

    def turn_on(authenticator: Authenticator) -> list[str]:
        authenticator.confirmed = True
        authenticator.save(update_fields=["confirmed"])
        record("second_factor_turned_on", user, actor=user)
        return _new_codes(authenticator)

    return _with_code(user, code, turn_on, confirmed=False)


def accept_code(*, user: User, code: str) -> Authenticator:
    """Accept a code of somebody's phone, or one of their backup codes, which is then gone.

    Raises Problem when it is not right, or too soon after one that was not.
    """
    authenticator, _ = _with_code(user, code, lambda _: [])
    return authenticator


def renew_backup_codes(*, user: User, code: str) -> list[str]:
    """Return new backup codes, shown this once; the old ones work no more.

    Raises Problem as ``accept_code`` does.
    """

    def renew(authenticator: Authenticator) -> list[str]:
        authenticator.backup_codes.all().delete()
        record("backup_codes_renewed", user, actor=user)
        return _new_codes(authenticator)

    _, codes = _with_code(user, code, renew)
    return codes


def turn_second_factor_off(*, user: User, code: str) -> None:
    """Let the password be enough again. Raises Problem as ``accept_code`` does."""

    def turn_off(authenticator: Authenticator) -> list[str]:
        authenticator.delete()
        record("second_factor_turned_off", user, actor=user)
        return []

    _with_code(user, code, turn_off)


def reset_second_factor(*, user: User, reason: str) -> None:
    """Take away the second factor of somebody who lost it; an operator asks for this.

    Raises Problem when there is none.
    """
    with transaction.atomic():
        gone, _ = Authenticator.objects.filter(user=user).delete()
        if not gone:
            raise Problem(f"{user.get_username()} has no second factor.")
        record("second_factor_reset", user, reason=reason)


def _with_code(
    user: User,
    code: str,
    then: Callable[[Authenticator], list[str]],
    *,
    confirmed: bool = True,
) -> tuple[Authenticator, list[str]]:
    with transaction.atomic():
        found = Authenticator.objects.select_for_update()
        authenticator = found.filter(user=user, confirmed=confirmed).first()
        if authenticator is None:
            raise Problem("There is no second factor to use this code with.")
        _refuse_haste(authenticator)
        typed = "".join(code.split()).replace("-", "").lower()
        right = _is_right(authenticator, typed)
        codes = then(authenticator) if right else []
    if not right:  # after the commit, which has counted it
        raise Problem(WRONG)
    return authenticator, codes


def _refuse_haste(authenticator: Authenticator) -> None:
    allowed, why = authenticator.verify_is_allowed()
    if not allowed:
        wait = math.ceil((why["locked_until"] - timezone.now()).total_seconds())
        raise Problem(f"Too many wrong codes: try again in {_in_words(wait)}.")


def _in_words(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{math.ceil(seconds / 60)} minutes"


def _is_right(authenticator: Authenticator, typed: str) -> bool:
    if typed.isascii() and typed.isdigit() and len(typed) == DIGITS:
        return authenticator.verify_token(typed)
    matching = authenticator.backup_codes.filter(digest__in=keyed_hashes(_PURPOSE, typed))
    gone, _ = matching.delete()
    if not gone:
        authenticator.throttle_increment()
        return False
    authenticator.was_right()
    left = authenticator.backup_codes.count()
    user = authenticator.user
    record("backup_code_used", user, actor=user, changes={"left": left})
    return True


def _new_codes(authenticator: Authenticator) -> list[str]:
    codes = [b32encode(secrets.token_bytes(10)).decode().lower()[:10] for _ in range(CODES)]
    BackupCode.objects.bulk_create(
        BackupCode(authenticator=authenticator, digest=keyed_hashes(_PURPOSE, code)[0])
        for code in codes
    )
    return [f"{code[:5]}-{code[5:]}" for code in codes]
