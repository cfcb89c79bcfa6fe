"""Who rents the platform, and who works there."""

from collections import defaultdict
from collections.abc import Mapping, Set
from datetime import date
from functools import cached_property
from typing import Self

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.core import money
from apps.core.days import DAYS_LIST, Clock, zone
from apps.core.fields import Dated
from apps.core.personal import Cutoff
from apps.core.problems import Problem

AUDIT_FLOOR = 365  # days that nobody keeps audit logs shorter than (spec D6)

RESERVED_SLUGS = frozenset(
    {
        "account", "admin", "api", "app", "assets", "billing", "blog", "console", "docs",
        "help", "login", "logout", "mail", "media", "public", "sign", "signup", "static",
        "status", "support", "webhooks", "www",
    }
)  # fmt: skip


def validate_timezone(name: str) -> None:
    """Refuse anything but a name of the IANA list with a region (``PST`` is none)."""
    try:
        zone(name)
    except Problem as problem:
        raise ValidationError(str(problem)) from None
    if name != "UTC" and "/" not in name:
        raise ValidationError(f"unknown timezone '{name}'")


def validate_currency(code: str) -> None:
    """Refuse anything but an ISO 4217 code."""
    try:
        money.currency(code)
    except Problem as problem:
        raise ValidationError(str(problem)) from None


def validate_slug_free(slug: str) -> None:
    """Refuse names that the platform needs for itself."""
    if slug in RESERVED_SLUGS:
        raise ValidationError(f"slug '{slug}' is reserved")


class User(AbstractUser):
    """A person who signs in; which firms they work for is in their memberships."""

    timezone = models.CharField(max_length=64, blank=True, validators=[validate_timezone])
    must_change_password = models.BooleanField(default=False)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("email"), condition=~Q(email=""), name="firms_user_email_once"
            ),
        ]

    @cached_property
    def roles_held(self) -> Mapping[int, Set[str]]:
        """Which roles this person has, by firm; looked up once, so for pages, not for jobs."""
        held = MembershipRole.objects.filter(membership__user=self, membership__is_active=True)
        roles: dict[int, set[str]] = defaultdict(set)
        for firm, role in held.values_list("firm", "role"):
            roles[firm].add(role)
        return roles

    def firms(self) -> "FirmQuerySet":
        """The firms this person may see; of a suspended one only its owners see anything."""
        return Firm.objects.visible_to(self)


class FirmQuerySet(models.QuerySet["Firm"]):
    def served(self) -> Self:
        """Firms whose own customers the jobs serve: trial and active (spec A1.4)."""
        return self.filter(is_active=True)

    def visible_to(self, user: User) -> Self:
        """Firms in which a person has an active membership; a superuser sees all.

        One that is suspended or closed only its owners see: to pay, and to take their data
        along (spec D33).
        """
        if user.is_superuser:
            return self.all()
        open_to_them = Q(firm__is_active=True) | Q(roles__role=Role.OWNER)
        works_at = Membership.objects.filter(open_to_them, user=user, is_active=True)
        return self.filter(pk__in=works_at.values("firm"))


class Firm(Dated):
    """An organisation renting the platform: the tenant."""

    class Status(models.TextChoices):
        TRIAL = "trial"
        ACTIVE = "active"
        SUSPENDED = "suspended"
        CLOSED = "closed"

    name = models.CharField(max_length=120)
    slug = models.CharField(
        max_length=63,
        unique=True,
        validators=[
            RegexValidator(
                r"^[a-z0-9]+(-[a-z0-9]+)*\Z", "3–63 of a–z, 0–9 and single hyphens."
            ),
            validate_slug_free,
        ],
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.TRIAL)
    is_active = models.GeneratedField(
        expression=models.ExpressionWrapper(
            Q(status__in=["trial", "active"]), output_field=models.BooleanField()
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_timezone])
    currency = models.CharField(max_length=3, default="USD", validators=[validate_currency])
    locale = models.CharField(max_length=10, default="en")
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    tier = models.CharField(max_length=40, default="professional")
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspension_reason = models.CharField(max_length=200, blank=True)
    is_demo = models.BooleanField(default=False)

    objects = FirmQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["trial", "active", "suspended", "closed"]),
                name="firms_firm_status_known",
            ),
        ]
        permissions = [
            ("see_restricted", "Can see what only the law still keeps of people"),
        ]

    def __str__(self) -> str:
        return self.name

    def today(self, clock: Clock) -> date:
        """The date in the firm's own zone."""
        return clock.today(self.timezone)


class FirmSettings(Dated):
    """How a firm wants its work done. Typed columns, not a bag of JSON."""

    firm = models.OneToOneField(Firm, models.CASCADE, related_name="settings")
    invoice_prefix = models.CharField(max_length=12, default="INV")
    net_days = models.PositiveSmallIntegerField(default=30)
    auto_issue_package_invoices = models.BooleanField(default=True)
    stale_deal_days = models.PositiveSmallIntegerField(
        default=14, help_text="Idle days that make a deal stale; 0: never."
    )
    stale_deals_ignore_plans = models.BooleanField(
        default=False,
        help_text="A deal goes stale although a call or a meeting about it is planned.",
    )
    file_request_days_before = models.CharField(
        max_length=40,
        blank=True,
        default="3,1,0",
        validators=[DAYS_LIST],
        help_text="Remind of files that are due so many days before; 0: on the day.",
    )
    file_request_reminder_days = models.PositiveSmallIntegerField(
        default=3, help_text="Days between reminders of files that are overdue; 0: none."
    )
    file_request_days_after_asking = models.CharField(
        max_length=40,
        blank=True,
        default="3,7,14",
        validators=[DAYS_LIST],
        help_text="Remind of files that have no due date so many days after asking.",
    )
    file_requests_expire = models.BooleanField(
        default=False, help_text="Give requests up 30 days after their due date."
    )
    audit_retention_floor_days = models.PositiveSmallIntegerField(
        default=AUDIT_FLOOR,
        validators=[MinValueValidator(AUDIT_FLOOR)],
        help_text="No policy lets audit logs go before this.",
    )
    reminders_by_email = models.BooleanField(default=True)
    reminders_by_sms = models.BooleanField(default=True)
    reminders_in_app = models.BooleanField(default=True)
    email_quiet_hours = models.BooleanField(
        default=False,
        help_text="Hold e-mail back between 21:00 and 08:00 recipient time.",
    )
    late_fee_on_separate_invoice = models.BooleanField(
        default=False,
        help_text="Where the law forbids touching issued invoices (C-15).",
    )
    reply_to = models.EmailField(blank=True)
    require_second_factor = models.BooleanField(
        default=False,
        help_text="Whoever works here signs in with a code of their phone, too.",
    )

    class Meta:
        verbose_name_plural = "firm settings"

    def __str__(self) -> str:
        return f"Settings of {self.firm}"

    def clean(self) -> None:
        """Refuse a floor that the firm's own policy is below."""
        below = RetentionPolicy.objects.filter(
            firm=self.firm_id,
            data_type=RetentionPolicy.DataType.AUDIT_LOGS,
            retention_days__lt=self.audit_retention_floor_days or 0,
        ).first()
        if below:
            text = f"The retention policy says {below.retention_days} days: change it first."
            raise ValidationError({"audit_retention_floor_days": text})


class RetentionPolicy(Dated):
    """How long a firm keeps a type of data, and what happens to it then.

    Here and not in privacy, because the jobs that clean up one table obey it too (C-34).
    """

    class DataType(models.TextChoices):
        EMAILS = "emails"
        DOCUMENTS = "documents"
        AUDIT_LOGS = "audit_logs", "Audit logs"
        WEBHOOKS = "webhooks"
        SESSIONS = "sessions"

    class Action(models.TextChoices):
        DELETE = "delete"
        ANONYMISE = "anonymise"

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="retention_policies")
    data_type = models.CharField(max_length=10, choices=DataType)
    retention_days = models.PositiveIntegerField()
    action = models.CharField(max_length=9, choices=Action, default=Action.DELETE)
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "retention policies"
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "data_type"], name="firms_retentionpolicy_once"
            ),
            models.CheckConstraint(
                condition=Q(retention_days__gte=1), name="firms_retentionpolicy_some_days"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_data_type_display()}: {self.retention_days} days"

    def clean(self) -> None:
        """Refuse to keep audit logs shorter than the firm must."""
        if self.retention_days is not None and (problem := self.too_short):
            raise ValidationError({"retention_days": problem})

    @property
    def too_short(self) -> str:
        """Why the policy must not be carried out, or nothing; asks for the firm's floor."""
        if self.data_type != self.DataType.AUDIT_LOGS:
            return ""
        found = FirmSettings.objects.filter(firm=self.firm_id)
        floor = found.values_list("audit_retention_floor_days", flat=True).first()
        days = max(floor or 0, AUDIT_FLOOR)
        if self.retention_days >= days:
            return ""
        return f"Audit logs are kept for at least {days} days."

    def cutoff(self, clock: Clock) -> Cutoff:
        """Return what is old enough now, in the firm's calendar."""
        return Cutoff.of(clock, self.firm.timezone, self.retention_days)


class LegalHold(Dated):
    """Data that must be kept because of a dispute, until somebody releases it.

    Here and not in privacy, because the jobs that clean up one table respect it too.
    """

    class Subject(models.TextChoices):
        FIRM = "firms.firm", "the whole firm"
        USER = "firms.user", "a user"
        CONTACT = "contacts.contact", "a contact"
        DOCUMENT = "documents.document", "a document"
        LEASE = "leasing.lease", "a lease"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="legal_holds")
    subject_type = models.CharField(max_length=20, choices=Subject)
    subject_id = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=300)
    placed_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    placed_at = models.DateTimeField()
    released_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firm", "subject_type", "subject_id"],
                condition=Q(released_at=None),
                name="firms_legalhold_one_in_force",
            ),
        ]

    def __str__(self) -> str:
        return f"Hold on {self.subject}"

    @property
    def subject(self) -> str:
        """What is held, as a key and never by name: ``contact 12``."""
        kind = self.get_subject_type_display()
        if self.subject_type == self.Subject.FIRM:
            return kind
        return f"{kind.removeprefix('a ')} {self.subject_id}"


class Role(models.TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    FACILITY_MANAGER = "facility_manager"
    MANAGER = "manager"
    STAFF = "staff"
    CONTRACTOR = "contractor"
    CLIENT = "client"
    RENTER = "renter"


class Membership(Dated):
    """A person's place in one firm. Leaving a firm touches this row, not the user."""

    class BlockedBy(models.TextChoices):
        NOBODY = "", "—"
        MANUAL = "manual"
        DIRECTORY = "directory"

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    is_active = models.BooleanField(default=True)
    blocked_by = models.CharField(max_length=10, choices=BlockedBy, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["firm", "user"], name="firms_membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.firm}"


class MembershipRole(models.Model):
    """One role a member has."""

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="+")
    membership = models.ForeignKey(Membership, models.CASCADE, related_name="roles")
    role = models.CharField(max_length=20, choices=Role)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["membership", "role"], name="firms_membershiprole_once"
            ),
        ]

    def __str__(self) -> str:
        return self.get_role_display()


class UserSession(models.Model):
    """A signed-in browser, so that sessions can be ended per user and counted per firm."""

    user = models.ForeignKey(User, models.CASCADE, related_name="sign_ins")
    firm = models.ForeignKey(Firm, models.CASCADE, null=True, blank=True, related_name="+")
    session_key = models.CharField(max_length=40, unique=True)
    last_activity_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.user} until {self.expires_at:%Y-%m-%d %H:%M}"
