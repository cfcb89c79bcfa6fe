"""What somebody signs in with besides their password."""

from typing import Any, ClassVar

from django.db import models
from django_otp.models import Device, DeviceManager, ThrottlingMixin, TimestampMixin
from django_otp.oath import TOTP

from apps.core.fields import SecretsField
from apps.firms.models import User


class Authenticator(TimestampMixin, ThrottlingMixin, Device):  # type: ignore[misc]
    """The app on a person's phone that makes codes; not ``confirmed`` until it made one.

    A device of django-otp, like its own for TOTP (RFC 6238: SHA-1, six digits, a new code
    every 30 seconds), except that the key is encrypted at rest. Wrong codes, backup codes
    included, make the next attempt wait: one second, two, four, ….
    """

    user = models.OneToOneField(User, models.CASCADE, related_name="authenticator")
    secret = SecretsField()  # "key": in hexadecimal digits
    drift = models.SmallIntegerField(default=0, editable=False)  # steps that the phone is off
    last_step = models.BigIntegerField(default=-1, editable=False)  # no code works twice

    objects: ClassVar[models.Manager["Authenticator"]] = DeviceManager()

    @property
    def key(self) -> bytes:
        return bytes.fromhex(self.secret["key"])

    def get_throttle_factor(self) -> int:
        return 1  # second, doubled with each failure

    def verify_token(self, token: str) -> bool:
        """Tell whether this is the code of now, or of the step before or after it.

        Saves what came of it. Call it with the row locked.
        """
        totp: Any = TOTP(self.key, drift=self.drift)
        totp.time = totp.time  # one instant for all that follows
        if not totp.verify(int(token), tolerance=1, min_t=self.last_step + 1):
            self.throttle_increment()
            return False
        self.drift, self.last_step = totp.drift, totp.t()
        self.was_right()
        return True

    def was_right(self) -> None:
        """Save that a code was right: nobody has to wait any more."""
        self.throttle_reset(commit=False)
        self.set_last_used_timestamp(commit=False)
        self.save()


class BackupCode(models.Model):
    """A code for when the phone is not at hand; gone once it is used."""

    authenticator = models.ForeignKey(
        Authenticator, models.CASCADE, related_name="backup_codes"
    )
    digest = models.CharField(max_length=64)  # keyed: the code itself is stored nowhere

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["authenticator", "digest"], name="access_backupcode_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Backup code {self.pk}"
