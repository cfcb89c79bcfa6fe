"""Where a firm's people come from, if they come from an Active Directory."""

from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from apps.core.fields import Dated, SecretsField
from apps.firms.models import Firm, Role, User

PASSWORD = "bind_password"  # noqa: S105 - its name among the credentials


class DirectoryConnection(Dated):
    """A firm's directory: where it is, who may sign in, and how far it has been read.

    ``credentials`` has ``bind_password``.
    """

    class Security(models.TextChoices):
        LDAPS = "ldaps", "LDAPS"
        STARTTLS = "starttls", "StartTLS"

    firm = models.OneToOneField(Firm, models.PROTECT, related_name="directory")
    is_enabled = models.BooleanField(default=False)
    servers = models.CharField(
        max_length=500,
        help_text="Controllers, separated by spaces; the first that answers is used: "
        "dc1.corp.example dc2.corp.example:636",
    )
    security = models.CharField(max_length=8, choices=Security, default=Security.LDAPS)
    certificate_name = models.CharField(
        max_length=253,
        blank=True,
        help_text="The name in the servers' certificates, if it is not their own.",
    )
    authority = models.TextField(
        blank=True, help_text="Who signs these certificates, as PEM; empty: this host knows."
    )
    bind_user = models.CharField(
        max_length=256, help_text="An account that may only read: nightshift@corp.example"
    )
    credentials = SecretsField()
    base_dn = models.CharField(
        "base", max_length=500, help_text="Below it are the people: OU=Staff,DC=corp,DC=example"
    )
    person_filter = models.CharField(
        "filter",
        max_length=500,
        blank=True,
        help_text="What else people must match, as LDAP writes it: (department=Sales)",
    )
    default_role = models.CharField(
        max_length=20,
        choices=[(role.value, role.label) for role in Role if role != Role.OWNER],
        default=Role.STAFF,
        help_text="Of people to whom no mapped group gives one.",
    )
    deactivation_limit_percent = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(100)],
        help_text="No run may deactivate more of the active linked people …",
    )
    deactivation_limit_least = models.PositiveSmallIntegerField(
        default=5, help_text="… unless they are no more than this."
    )
    # ---- how far it has been read -----------------------------------------------------
    dc_host = models.CharField("pinned controller", max_length=260, blank=True, editable=False)
    dc_invocation_id = models.CharField(
        "its database", max_length=36, blank=True, editable=False
    )
    last_usn = models.BigIntegerField("changes read", null=True, editable=False)
    last_sync_at = models.DateTimeField(null=True, editable=False)
    last_full_sync_at = models.DateTimeField(null=True, editable=False)
    problem = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(deactivation_limit_percent__lte=100),
                name="directory_connection_percent",
            ),
        ]

    def __str__(self) -> str:
        return f"Active Directory of {self.firm}"


class MappedAttribute(models.Model):
    """From which attribute of the directory something about people is taken.

    What no row names is taken from ``USUAL``.
    """

    class Field(models.TextChoices):
        FIRST_NAME = "first_name", "first name"
        LAST_NAME = "last_name", "last name"
        EMAIL = "email", "e-mail"
        TITLE = "title"

    USUAL = {"first_name": "givenName", "last_name": "sn", "email": "mail", "title": "title"}

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    connection = models.ForeignKey(
        DirectoryConnection, models.CASCADE, related_name="attributes"
    )
    field = models.CharField(max_length=10, choices=Field)
    attribute = models.CharField(
        max_length=60, validators=[RegexValidator(r"^[A-Za-z][A-Za-z0-9-]*\Z", "LDAP's name.")]
    )
    is_authoritative = models.BooleanField(
        default=False, help_text="Where it is blank in the directory, it becomes blank here."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "field"], name="directory_mappedattribute_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_field_display()} from {self.attribute}"


class MappedGroup(models.Model):
    """Who is in a group of the directory has a role here, and whoever is not has it not."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    connection = models.ForeignKey(DirectoryConnection, models.CASCADE, related_name="groups")
    group_dn = models.CharField("group", max_length=500, help_text="Its distinguished name.")
    role = models.CharField(max_length=20, choices=Role)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "group_dn", "role"], name="directory_mappedgroup_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} from {self.group_dn}"


class DirectoryIdentity(Dated):
    """Who somebody is in the directory. ``object_guid`` never changes; all else may."""

    class State(models.TextChoices):
        ACTIVE = "active"
        DISABLED = "disabled"
        MISSING = "missing"
        TOMBSTONED = "tombstoned", "deleted"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    connection = models.ForeignKey(
        DirectoryConnection, models.PROTECT, related_name="identities"
    )
    user = models.ForeignKey(User, models.CASCADE, related_name="directory_identities")
    object_guid = models.CharField(max_length=36)
    dn = models.CharField("distinguished name", max_length=1000, blank=True)
    upn = models.CharField("user principal name", max_length=1000, blank=True)
    sam_account_name = models.CharField("account", max_length=256)
    title = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    account_expires_at = models.DateTimeField(null=True, blank=True)
    deactivated_by_sync = models.BooleanField(default=False)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "directory identities"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "object_guid"], name="directory_identity_once"
            ),
            models.UniqueConstraint(
                fields=["connection", "user"], name="directory_identity_one_per_user"
            ),
        ]

    def __str__(self) -> str:
        return self.sam_account_name
