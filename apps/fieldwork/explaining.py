"""Why a job is in a digest or closed, a paper warned of, a payout reminded of; and why not."""

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from apps.core.explaining import Explanation, Moment
from apps.fieldwork.models import (
    ComplianceDocument,
    PayoutRequest,
    PayoutRequestQuerySet,
    WorkOrder,
    WorkOrderQuerySet,
)
from apps.fieldwork.services.compliance_expiry import Rules, papers_of
from apps.fieldwork.services.pending_jobs import in_digest
from apps.fieldwork.services.stale_jobs import Idle, over_in
from apps.firms.explaining import unserved
from apps.firms.models import Firm


def _in_digest(order: WorkOrder, moment: Moment) -> WorkOrderQuerySet:
    return in_digest(WorkOrder.objects.all(), today=moment.today)


PENDING = Explanation(
    model=WorkOrder,
    selection=_in_digest,
    sentences={
        "status|due_date": _(
            "the digest lists jobs that nobody has, and open ones that are due within a week "
            "or overdue; it is {status}, due: {due_date}"
        ),
    },
    before=(unserved,),
    takes=_("The next digest lists it."),
)


def _stale(order: WorkOrder, moment: Moment) -> WorkOrderQuerySet:
    somewhere = over_in(Firm.objects.served(), moment.today)
    return Idle(somewhere, moment.clock.now, moment.argument("days", 90)).stale()


STALE = Explanation(
    model=WorkOrder,
    selection=_stale,
    sentences={
        "status": _("only open jobs are closed; it is {value}"),
        "firm": _("the firm is suspended or closed"),
        "do_not_auto_close": _("somebody has said not to close it"),
        "last_activity_at": _("something happened on it on {value}"),
        "due_date": _("it is due on {value}"),
        "scheduled_on": _("it is scheduled for {value}"),
        "no fieldwork.estimate": _("an estimate waits for its answer"),
        "no fieldwork.payoutrequestline": _("it is on a payout request"),
        "invoice|invoice__status": _("it has an invoice"),
    },
    takes=_("The next run closes it."),
)


def _checked(paper: ComplianceDocument, moment: Moment) -> "QuerySet[ComplianceDocument]":
    rules = Rules(moment.today, moment.argument("days", 30))
    return papers_of(Firm.objects.served()).filter(rules.changed | rules.warnable)


PAPERS = Explanation(
    model=ComplianceDocument,
    selection=_checked,
    sentences={
        "status": _("only approved papers not replaced yet are checked; it is {value}"),
        "firm": _("the firm is suspended or closed"),
        "contractor__is_active": _("its contractor is not active any more"),
        "expires_on": _("it never expires"),
        "expires_on|status": _("nothing changes yet: it is valid until {value}"),
    },
    takes=_("The next run brings it up to date, or warns the contractor where a step is due."),
)


def _pending(request: PayoutRequest, moment: Moment) -> PayoutRequestQuerySet:
    return PayoutRequest.objects.pending()


PAYOUTS = Explanation(
    model=PayoutRequest,
    selection=_pending,
    sentences={"status": _("only pending requests are reminded of; it is {value}")},
    before=(unserved,),
    takes=_("The next digest to the firm's admins counts it."),
)
