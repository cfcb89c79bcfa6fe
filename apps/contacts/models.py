"""The people and organisations that firms deal with."""

from typing import Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from apps.core.fields import Dated
from apps.firms.models import Firm, validate_timezone


class ContactQuerySet(models.QuerySet["Contact"]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)

    def present(self) -> Self:
        """Everyone who has not been erased."""
        return self.filter(erased_at=None)


class Contact(Dated):
    """A renter, client, contractor, lead or requester: one row per firm and person."""

    class Kind(models.TextChoices):
        PERSON = "person"
        ORGANISATION = "organisation"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="contacts")
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.PERSON)
    display_name = models.CharField(max_length=150)
    first_name = models.CharField(max_length=80, blank=True)
    last_name = models.CharField(max_length=80, blank=True)
    email = models.EmailField(blank=True, help_text="Lower case.")
    email_verified_at = models.DateTimeField(null=True, blank=True)
    phone = models.CharField(
        max_length=16,
        blank=True,
        validators=[RegexValidator(r"^\+[1-9]\d{6,14}\Z", "E.164.")],
    )
    timezone = models.CharField(max_length=64, blank=True, validators=[validate_timezone])
    locale = models.CharField(max_length=10, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="contacts",
    )
    erased_at = models.DateTimeField(null=True, blank=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "user"],
                condition=Q(user__isnull=False),
                name="contacts_contact_one_per_user",
            ),
        ]
        indexes = [models.Index(fields=["firm", "email"], name="contacts_contact_by_email")]

    def __str__(self) -> str:
        return self.display_name

    def clean(self) -> None:
        self.email = self.email.lower()

    def zone_name(self, firm: Firm) -> str:
        """The recipient's zone: the contact's, else the firm's (spec A2.3)."""
        return self.timezone or firm.timezone


class Tombstone(models.Model):
    """Somebody was erased: what machines must not bring back (spec D8).

    Holds a keyed hash of a former address, number or directory id. Below the apps that
    import and synchronise people, so that they can ask.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", "e-mail address"
        PHONE = "phone", "phone number"
        DIRECTORY = "directory", "directory id"

    firm = models.ForeignKey(
        Firm,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: erased everywhere.",
    )
    kind = models.CharField(max_length=9, choices=Kind)
    digest = models.CharField(max_length=64)
    erased_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "kind", "digest"], name="contacts_tombstone_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "digest"],
                condition=Q(firm=None),
                name="contacts_tombstone_once_everywhere",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} erased on {self.erased_at:%Y-%m-%d}"
