"""Two firms with a row in every table that the admin shows; every name says whose it is."""

from datetime import date
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from apps.billing.models import AccountCredit, PaymentAllocation
from apps.billing.services import grant_credit, refresh_materialized_views
from apps.documents.services import request_signature
from apps.engagements.models import EngagementRate
from apps.firms.models import Firm, User
from apps.firms.rights import staff_group
from apps.firms.services.baseline import keep_for_usual
from apps.jobs.models import JobRun, JobRunItem
from apps.leasing.models import LeaseCharge, RentStep
from tests import factories as make

OURS, THEIRS = "Alder", "Birch"

# Rows of the platform, not of a firm.
SHARED = {
    "auth.group",
    "console.grant",
    "firms.user",
    "jobs.runlock",
    "leasing.jurisdictioncap",
    "monitoring.alert",
    "monitoring.delivery",
    "privacy.statutoryperiod",
    "subscriptions.paymentorder",
    "subscriptions.plan",
    "subscriptions.subscription",
    "webhooks.webhookrefusal",
}


def pages() -> dict[str, ModelAdmin[Any]]:
    """Every page of the admin, by its model's label."""
    return {
        model._meta.label_lower: page
        for model, page in sorted(
            admin.site._registry.items(), key=lambda item: item[0]._meta.label_lower
        )
    }


def is_tenants(label: str) -> bool:
    """Whether a page shows rows of firms: neither the platform's nor the queue's."""
    return label not in SHARED and not label.startswith("django_q.")


TENANT_PAGES = [label for label in pages() if is_tenants(label)]


def furnish(name: str) -> Firm:
    """Return a new firm with at least one row in every table of firms."""
    firm = make.FirmFactory(name=f"{name} Homes", slug=name.lower())
    member = make.MembershipFactory(
        firm=firm,
        user=make.UserFactory(username=f"{name.lower()}-member", first_name=name),
    )
    contact = make.ContactFactory(
        firm=firm, display_name=f"{name} Renter", email=f"renter@{name.lower()}.example"
    )
    home = make.PropertyFactory(firm=firm, name=f"{name} Court")
    text = make.DocumentFactory(
        firm=firm, title=f"{name} lease", text=f"{name} text", owner=contact
    )
    make.FileFactory(firm=firm, title=f"{name} certificate", file_name=f"{name}.pdf")
    asked = make.FileRequestFactory(
        contact=contact, title=f"{name} tax return", items=[f"{name} statements"]
    )
    make.ReceivedFileFactory(
        item=asked.items.get(), document__file_name=f"{name}-May.pdf", reason=f"{name} reason"
    )
    lease = make.LeaseFactory(
        unit=make.UnitFactory(property=home, label=f"{name}1"),
        account=make.BillingAccountFactory(contact=contact),
        agreement=text,
    )
    LeaseCharge.objects.create(
        firm=firm,
        lease=lease,
        kind=f"{name} pet",
        amount_minor=2_500,
        starts_on=date(2025, 1, 1),
    )
    RentStep.objects.create(
        firm=firm, lease=lease, effective_from=date(2026, 1, 1), rent_minor=160_000
    )
    invoice = make.InvoiceFactory(account=lease.account, number=f"{name.upper()}-000001")
    make.RentPeriodFactory(lease=lease, invoice=invoice)
    retainer = make.EngagementFactory(
        account=lease.account, name=f"{name} retainer", status="draft"
    )
    EngagementRate.objects.create(
        firm=firm, engagement=retainer, effective_from=date(2026, 1, 1), fee_minor=120_000
    )
    make.EngagementPeriodFactory(engagement=retainer, invoice=invoice)
    stage = make.StageFactory(
        pipeline__firm=firm, pipeline__name=f"{name} sales", name=f"{name} lead"
    )
    deal = make.DealFactory(
        stage=stage,
        title=f"{name} fit-out",
        contact=contact,
        owner=member.user,
        is_stale=True,
        stale_since=date(2025, 3, 15),
    )
    make.DealActivityFactory(deal=deal, note=f"{name} note")
    meeting = make.CalendarEventFactory(
        firm=firm, title=f"{name} kickoff", category=f"{name} meeting", organiser=member.user
    )
    make.EventAttendeeFactory(event=meeting, contact=contact)
    prep = make.WorkflowRuleFactory(firm=firm, name=f"{name} prep", text=f"{name} text")
    make.WorkflowExecutionFactory(event=meeting, rule=prep)
    make.StaleDealAlertFactory(deal=deal)
    make.PaymentAttemptFactory(invoice=invoice, status="declined")
    payment = make.PaymentFactory(account=lease.account, note=f"{name} check")
    PaymentAllocation.objects.create(
        firm=firm, payment=payment, invoice=invoice, amount_minor=1_000
    )
    grant_credit(
        account=lease.account,
        amount_minor=500,
        kind=AccountCredit.Kind.CONCESSION,
        effective_on=date(2025, 3, 1),
        note=f"{name} gift",
    )
    make.BillingConfigFactory(property=home)
    make.AssessmentFactory(invoice=invoice)
    make.WeatherThresholdFactory(property=home, heat="35.0")
    make.WeatherAlertFactory(property=home, name=f"{name} heat")
    painter = make.ContractorFactory(contact=contact)
    make.ComplianceRequirementFactory(firm=firm, doc_type=f"{name} licence", mandatory=False)
    make.ComplianceDocumentFactory(contractor=painter, doc_type=f"{name} licence")
    painted = make.WorkOrderFactory(
        firm=firm,
        number=f"{name.upper()}-1",
        title=f"{name} facade",
        status="VERIFIED",
        contractor=painter,
        customer=contact,
        unit=lease.unit,
    )
    make.WorkOrderEventFactory(work_order=painted, detail=f"{name} detail")
    make.WorkOrderNoteFactory(work_order=painted, text=f"{name} note")
    make.EstimateFactory(work_order=painted, contractor=painter, text=f"{name} estimate")
    make.PayoutFactory(
        request__contractor=painter,
        request__number=f"{name.upper()}-PAY-1",
        request__orders=[painted],
    )
    make.RewardGrantFactory(contact=contact, qualifying_key=f"{name}-streak")
    request_signature(
        document=text, signer=contact, requested_by=member.user, now=timezone.now()
    )
    make.DeliveryFactory(
        notification=make.NotificationFactory(
            recipient_contact=contact, dedupe_key=f"{name}-issued"
        ),
        reason=f"{name} reason",
    )
    directory = make.DirectoryConnectionFactory(firm=firm, servers=f"dc1.{name}.example")
    make.DirectoryIdentityFactory(
        connection=directory, user=member.user, sam_account_name=f"{name}-account"
    )
    make.MappedAttributeFactory(connection=directory)
    make.MappedGroupFactory(connection=directory)
    make.DiscrepancyFactory(firm=firm, label=f"{name} invoice", subject_key=f"pi_{name}")
    make.ReconciliationRunFactory(firm=firm)
    make.SmsConsentFactory(firm=firm, recipient_key=f"{name}:1")
    make.SuppressionFactory(firm=firm)
    make.NotificationGroupFactory(firm=firm, name=f"{name} group").members.add(contact)
    make.ErasureRequestFactory(
        firm=firm, user=None, contact=contact, verified_how=f"{name} rang back"
    )
    make.DataExportFactory(
        firm=firm, user=member.user, made_by=member.user, path=f"/exports/{name}.zip"
    )
    make.AuditEventFactory(firm=firm, object_id=f"{name}-object", reason=f"{name} reason")
    account = make.GatewayAccountFactory(firm=firm)
    make.WebhookEventFactory(
        firm=firm,
        account_key=str(account.key),
        event_id=f"{name}-event",
        status="failed",
        error=f"{name} error",
    )
    mailbox = make.EmailConnectionFactory(firm=firm, name=f"{name} Inbox")
    make.EmailFolderStateFactory(connection=mailbox)
    ticket = make.TicketFactory(firm=firm, subject=f"{name} question", requester=contact)
    letter = make.EmailMessageFactory(
        connection=mailbox, entry=make.TicketEntryFactory(ticket=ticket)
    )
    make.EmailAttachmentFactory(message=letter, name=f"{name}.png")
    run = JobRun.objects.create(
        job="apply_late_fees", source="schedule", state="done", arguments={"of": name}
    )
    keep_for_usual(firm=firm)
    make.RetentionRunFactory(firm=firm)
    make.LegalHoldFactory(
        firm=firm,
        subject_type="contacts.contact",
        subject_id=contact.pk,
        reason=f"{name} dispute",
        placed_by=member.user,
    )
    refresh_materialized_views()
    JobRunItem.objects.create(
        run=run,
        firm=firm,
        position=0,
        subject_kind="leasing.lease",
        subject_key=str(lease.pk),
        subject_label=f"{name} Court {name}1",
        outcome="done",
    )
    return firm


def staff_of(firm: Firm, *, rights: bool = True) -> User:
    """Return somebody who works for a firm, with the rights of its staff or with none."""
    user: User = make.MembershipFactory(firm=firm).user
    if rights:
        user.groups.add(staff_group())
    return user


def rows_of(model: type[Model], firm: Firm) -> list[Any]:
    """Return a firm's rows of any table."""
    label = model._meta.label_lower
    by_firm = {
        "firms.firm": {"pk": firm.pk},
        "jobs.jobrun": {"items__firm": firm},
    }.get(label, {"firm": firm})
    return list(model._default_manager.filter(**by_firm).order_by("pk"))


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables, but for who signed in and what the admin noted of it.

    As the database has them: to build a hundred querysets takes half a second.
    """
    left_out = {"sessions.session", "admin.logentry", "firms.user", "firms.usersession"}
    tables = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            meta = model._meta
            if meta.managed and meta.label_lower not in left_out:
                assert meta.pk is not None
                table, key = map(connection.ops.quote_name, (meta.db_table, meta.pk.column))
                cursor.execute(f"SELECT * FROM {table} ORDER BY {key}")
                columns = [column[0] for column in cursor.description]
                rows = cursor.fetchall()
                tables[meta.label_lower] = [dict(zip(columns, r, strict=True)) for r in rows]
    return tables
