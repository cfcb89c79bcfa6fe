"""Compare a firm's books with its account at the gateway, and note what differs (spec D3)."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import TextChoices

from apps.billing.services.gateways import PROVIDER, payments_for
from apps.billing.services.reconciling.comparing import Mismatch
from apps.billing.services.reconciling.looking import Looking, ask_each
from apps.billing.services.reconciling.sides import Side
from apps.billing.services.settling import settle_intent
from apps.core import batches
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Item, Report, Subject, block
from apps.discrepancies.models import Source
from apps.discrepancies.services import (
    Finding,
    Look,
    Sighting,
    close_look,
    mark_repaired,
    record_findings,
)
from apps.firms.models import Firm
from apps.firms.services import find_firm
from apps.integrations.payments import Intent, Payments, Refused
from apps.webhooks.models import GatewayAccount
from apps.webhooks.services import find_account

logger = logging.getLogger(__name__)

FIRMS, FOUND, NEW, REPAIRED = "firms", "found", "new", "repaired"  # tallies

REPAIRABLE = [kind.value for kind in Mismatch if kind.can_be_repaired]


class ReconcileReason(TextChoices):
    """Why something is left alone."""

    NO_GATEWAY = "no_gateway", "the firm has no usable gateway account"
    IGNORED = "ignored", "somebody has said to ignore it"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


@dataclass(slots=True)
class Run:
    """What one run was asked for, and what it counts beside its items."""

    clock: Clock
    repair: bool
    checked: int = 0  # invoices

    def summary(self, report: Report) -> list[str]:
        """Return the closing lines."""
        tallies = report.tallies
        figures: list[tuple[str, object]] = [
            ("Firms reconciled", tallies[FIRMS]),
            ("Invoices checked", self.checked),
            ("Mismatches found", f"{tallies[FOUND]} ({tallies[NEW]} new)"),
        ]
        if self.repair:
            figures.append(("Mismatches repaired", tallies[REPAIRED]))
        return block(*figures, ("Errors", report.failed))


def reconcile_stripe(
    *, firm_id: int | None = None, repair: bool = False, dry_run: bool = False
) -> Report:
    """Compare payments with Stripe in both directions and note every mismatch.

    Of every firm with a Stripe account, suspended and closed ones too, looks at what changed
    in the last ``RECONCILE_DAYS`` there or here, at what has not ended yet, and at what open
    issues are about; nothing younger than ten minutes, whose event may be on the way. A
    mismatch is one issue for as long as it is seen; one that a complete look sees no more is
    resolved. Owners and admins get one digest of new issues, the platform's operators get
    critical ones. With ``repair``, payments, refunds and disputes that are missing here are
    recorded as their event would have done, once. Mismatches are no errors; a firm whose
    account does not answer is one and spares the others.
    """
    run = Run(Clock.read(), repair)
    only = find_firm(firm_id) if firm_id is not None else None
    report = Report(dry_run=dry_run, summary=run.summary)
    accounts = GatewayAccount.objects.filter(provider=PROVIDER)
    firms = Firm.objects.filter(pk__in=accounts.values("firm"))
    for firm in batches.by_key(firms) if only is None else [only]:
        try:
            account = find_account(firm_id=firm.pk, provider=PROVIDER)
            if account is None:
                report.skip(firm, ReconcileReason.NO_GATEWAY, _no_account(firm) if only else "")
            else:
                _reconcile(firm, account, run, report)
        except OperationalError:
            raise  # the database is gone, or busy for too long: that is no firm's fault
        except Exception as error:
            report.fail(firm, error)
    return report


def _reconcile(firm: Firm, account: GatewayAccount, run: Run, report: Report) -> None:
    """Look at one firm, record page by page what differs, and end the look."""
    report.says(f"Reconciling firm: {firm} (ID: {firm.pk})")
    now, before = run.clock.now, report.tallies.copy()
    since = now - timedelta(days=settings.RECONCILE_DAYS)
    looking = Looking(Side(firm, account.livemode, now), since, report)
    try:
        with closing(payments_for(account)) as payments:
            report.attempt_each(
                looking.findings(payments),
                partial(_note, firm=firm, run=run),
                subject=partial(_subject, firm=firm),
                then=partial(_repair, firm=firm, payments=payments, run=run, report=report)
                if run.repair
                else None,
            )
    except Problem as problem:
        looking.error = problem
    run.checked += len(looking.invoices)
    with report.attempt(firm) as item:
        item.does("reconcile", tally=FIRMS)
        close_look(
            firm=firm,
            source=Source.STRIPE,
            look=Look(
                began_at=now,
                since=since,
                complete=looking.complete and looking.error is None,
                checked=len(looking.invoices),
                found=report.tallies[FOUND] - before[FOUND],
                fresh=report.tallies[NEW] - before[NEW],
            ),
        )
        if looking.error is not None:
            logger.error("Firm %d was not reconciled", firm.pk, exc_info=looking.error)
            item.fail(looking.error)


def _note(items: Sequence[Item[Finding]], *, firm: Firm, run: Run) -> None:
    """Record a page of findings."""
    sightings = record_findings(
        firm=firm,
        source=Source.STRIPE,
        findings=[item.thing for item in items],
        now=run.clock.now,
    )
    for item, sighting in zip(items, sightings, strict=True):
        if sighting == Sighting.IGNORED:
            item.skip(ReconcileReason.IGNORED)
            continue
        words, repairs = item.thing.sentence, run.repair and item.thing.kind in REPAIRABLE
        item.does(f"note {item.thing.kind}", tally=FOUND)
        if sighting == Sighting.NEW:
            item.tallies.append(NEW)
        item.says(words, would=f"{words}; would be repaired" if repairs else "", bullet="✗")


def _repair(
    items: Sequence[Item[Finding]], *, firm: Firm, payments: Payments, run: Run, report: Report
) -> None:
    """Do for each payment, once, what the event would have done that never came."""
    waiting: dict[str, list[Item[Finding]]] = defaultdict(list)
    for item in items:
        if item.thing.kind in REPAIRABLE:
            waiting[item.thing.subject_key].append(item)
    for reference, answer in ask_each(payments, list(waiting)).items():
        try:
            if not isinstance(answer, Intent):
                raise answer or Refused(f"Stripe no longer knows {reference}.")
            with transaction.atomic(durable=True):
                repaired = settle_intent(answer, firm=firm, clock=run.clock)
                if repaired:
                    mark_repaired(
                        firm=firm,
                        source=Source.STRIPE,
                        subject_keys=[reference],
                        kinds=REPAIRABLE,
                        now=run.clock.now,
                    )
        except Exception as error:
            subject = _subject(waiting[reference][0].thing, firm=firm)
            report.fail(replace(subject, part="repair"), error)
        else:
            for item in waiting[reference]:
                _tell_repair(item, repaired)


def _tell_repair(item: Item[Finding], repaired: bool) -> None:
    words = item.thing.sentence
    if repaired:
        item.tallies.append(REPAIRED)
        item.says(f"{words}; repaired", bullet="✓")
    else:
        item.says(f"{words}; a person has to look at it", bullet="✗")


def _subject(finding: Finding, *, firm: Firm) -> Subject:
    return Subject(
        "discrepancies.discrepancy", finding.subject_key, finding.label, finding.kind, firm.pk
    )


def _no_account(firm: Firm) -> str:
    return f"{firm}: no usable {PROVIDER.label} account"
