"""Who does the work, and the papers that say they may."""

from datetime import date, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Lower

from apps.contacts.models import Contact
from apps.core.fields import Dated
from apps.documents.models import Document
from apps.firms.models import Firm


class ContractorQuerySet(models.QuerySet["ContractorProfile"]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)

    def active(self) -> Self:
        return self.filter(is_active=True)

    def lacking_papers(self, *, on: date) -> Self:
        """Contractors of whom a mandatory paper is missing or has expired on a local day."""
        good = (
            ComplianceDocument.objects.good_on(on)
            .filter(contractor=OuterRef(OuterRef("pk")))
            .alias(kind=Lower("doc_type"))
            .filter(kind=Lower(OuterRef("doc_type")))
        )
        asked = ComplianceRequirement.objects.filter(firm=OuterRef("firm"), mandatory=True)
        return self.filter(Exists(asked.filter(~Exists(good))))


class ContractorProfile(Dated):
    """A contact who does work for the firm."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="contractors")
    contact = models.OneToOneField(Contact, models.PROTECT, related_name="contractor")
    trades = models.CharField(max_length=200, blank=True, help_text="Plumbing, heating")
    is_active = models.BooleanField(default=True)

    objects = ContractorQuerySet.as_manager()

    class Meta:
        verbose_name = "contractor"

    def __str__(self) -> str:
        return str(self.contact)


class ComplianceRequirement(Dated):
    """A paper that a firm asks of its contractors."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="compliance_requirements")
    doc_type = models.CharField("document", max_length=60, help_text="Liability insurance")
    mandatory = models.BooleanField(
        default=True, help_text="Without it a contractor gets neither work nor payouts."
    )

    class Meta:
        verbose_name = "required document"
        constraints = [
            models.UniqueConstraint(
                "firm",
                Lower("doc_type"),
                name="fieldwork_compliancerequirement_once",
                violation_error_message="The firm asks for this document already.",
            ),
        ]

    def __str__(self) -> str:
        return self.doc_type


class ComplianceDocumentQuerySet(models.QuerySet["ComplianceDocument"]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)

    def current(self) -> Self:
        """Approved papers that nothing has replaced; whether they have expired or not."""
        return self.filter(status__in=ComplianceDocument.CURRENT)

    def good_on(self, day: date) -> Self:
        """Current papers that hold on a local day; ``expires_on`` is the last (C-21)."""
        return self.current().filter(Q(expires_on=None) | Q(expires_on__gte=day))

    def expiring(self, *, on: date, days: int) -> Self:
        """Current papers whose last day is a local day or at most ``days`` days later."""
        end = on + timedelta(days=days)
        return self.current().filter(expires_on__gte=on, expires_on__lte=end)


class ComplianceDocument(Dated):
    """A contractor's certificate, licence or policy. A renewal is a new row."""

    class Status(models.TextChoices):
        PENDING_REVIEW = "PENDING_REVIEW", "Waiting for review"
        VALID = "VALID", "Valid"
        EXPIRING_SOON = "EXPIRING_SOON", "Expiring soon"
        EXPIRED = "EXPIRED", "Expired"
        REJECTED = "REJECTED", "Rejected"
        SUPERSEDED = "SUPERSEDED", "Replaced"

    CURRENT = (Status.VALID, Status.EXPIRING_SOON, Status.EXPIRED)

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="compliance_documents")
    contractor = models.ForeignKey(ContractorProfile, models.PROTECT, related_name="papers")
    doc_type = models.CharField("document", max_length=60)
    number = models.CharField(max_length=60, blank=True)
    issued_on = models.DateField(null=True, blank=True)
    expires_on = models.DateField(
        "valid until", null=True, blank=True, help_text="The last valid day; empty: no end."
    )
    status = models.CharField(max_length=14, choices=Status, default=Status.PENDING_REVIEW)
    replaced_by = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="replaces"
    )
    file = models.ForeignKey(
        Document, models.PROTECT, null=True, blank=True, related_name="compliance_documents"
    )
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_note = models.CharField(max_length=300, blank=True)

    objects = ComplianceDocumentQuerySet.as_manager()

    class Meta:
        verbose_name = "contractor document"
        constraints = [
            models.UniqueConstraint(
                "contractor",
                Lower("doc_type"),
                condition=Q(status__in=["VALID", "EXPIRING_SOON", "EXPIRED"]),
                name="fieldwork_compliancedocument_one_current",
            ),
            models.CheckConstraint(
                condition=Q(expires_on=None)
                | Q(issued_on=None)
                | Q(expires_on__gte=F("issued_on")),
                name="fieldwork_compliancedocument_runs_forward",
                violation_error_message="It ends before it was issued.",
            ),
        ]
        indexes = [
            # check_compliance_expiry and the office's list of expired papers look here.
            models.Index(
                fields=["firm", "expires_on"],
                condition=Q(status__in=["VALID", "EXPIRING_SOON", "EXPIRED"]),
                name="fieldwork_papers_current",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.doc_type} of {self.contractor}"
