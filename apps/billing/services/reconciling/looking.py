"""One look at a firm's account at the gateway and at its books, in both directions."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import TypeVar

from apps.billing.models import Invoice
from apps.billing.services.reconciling import books
from apps.billing.services.reconciling.comparing import compare, compare_missing, paid_twice
from apps.billing.services.reconciling.sides import Entry, Remote, Side, is_ours, units
from apps.core import batches
from apps.core.problems import Problem
from apps.core.reports import Report
from apps.discrepancies.models import Source
from apps.discrepancies.services import Finding, open_subjects
from apps.integrations.asking import ask_at_once
from apps.integrations.payments import Dispute, GatewayError, Intent, Payments, Refused

T = TypeVar("T")

PAGE = 100  # payments compared at once
YOUNG = timedelta(minutes=10)  # the event that tells of it may still be on the way

Answer = Intent | GatewayError | None  # none: the gateway does not know it


@dataclass(slots=True)
class Looking:
    """Goes through a firm's payments once; no transaction is open while it asks.

    What the gateway lists comes in pages, and only keys and amounts are kept of it. Payments
    from before the window are asked for one by one: those that our books have not ended, that
    had a refund or a dispute lately, or that an open issue is about; what was not looked at
    must not count as gone.
    """

    side: Side
    since: datetime
    report: Report
    error: Problem | None = None
    complete: bool = False
    invoices: set[int] = field(default_factory=set)  # that were compared
    _refunded: Counter[str] = field(default_factory=Counter)
    _refunding: Counter[str] = field(default_factory=Counter)
    _disputes: dict[str, list[Dispute]] = field(default_factory=lambda: defaultdict(list))
    _seen: set[str] = field(default_factory=set)
    _kept: dict[str, tuple[int, int]] = field(default_factory=dict)  # invoice and amount

    def findings(self, payments: Payments) -> Iterator[Finding]:
        """Yield every difference once; an answer that does not come leaves it incomplete."""
        try:
            self._read_refunds(payments)
            self._read_disputes(payments)
            for page in self._pages(payments.intents(since=self.since)):
                yield from self._compare(page)
            for references in self._pages(self._unlisted()):
                intents, unknown = _sorted_out(ask_each(payments, references))
                yield from self._compare(intents, unknown)
            yield from self._paid_twice()
        except GatewayError as error:
            self.error = error
        else:
            self.complete = True

    # ---- asking ---------------------------------------------------------------------------

    def _pages(self, things: Iterable[T]) -> Iterator[Sequence[T]]:
        for page in batches.batched(things, PAGE):
            self.report.pause()
            yield page

    def _read_refunds(self, payments: Payments) -> None:
        for page in self._pages(payments.refunds(since=self.since)):
            for refund in page:
                if refund.status not in {"succeeded", "pending", "requires_action"}:
                    continue
                certain = refund.status == "succeeded" and not self._is_young(refund.created_at)
                sums = self._refunded if certain else self._refunding
                sums[refund.intent_id] += refund.amount

    def _read_disputes(self, payments: Payments) -> None:
        for page in self._pages(payments.disputes(since=self.since)):
            for dispute in page:
                if not self._is_young(dispute.created_at):
                    self._disputes[dispute.intent_id].append(dispute)

    def _unlisted(self) -> Iterator[str]:
        """Yield the references, each once, that the gateway's list should or need not show."""
        firm = self.side.firm
        moved = [one for one in chain(self._refunded, self._disputes) if one not in self._seen]
        for reference in chain(
            chain.from_iterable(
                books.not_over(firm, page) for page in batches.batched(moved, PAGE)
            ),
            books.under_review(firm, since=self.since, until=self.side.now),
            chain.from_iterable(
                key.split()
                for page in open_subjects(firm=firm, source=Source.STRIPE)
                for key in page
            ),
        ):
            if reference not in self._seen:
                self._seen.add(reference)
                yield reference

    # ---- comparing ------------------------------------------------------------------------

    def _compare(
        self, intents: Sequence[Intent], unknown: Sequence[str] = ()
    ) -> Iterator[Finding]:
        settled = []
        for intent in intents:
            if self._is_young(intent.created_at):
                self._seen.add(intent.id)
            else:
                settled.append(intent)
        entries = books.entries(self.side.firm, settled, unknown, until=self.side.now)
        self._remember(settled, entries)
        for intent in settled:
            if intent.id in entries:
                yield from compare(self._remote(intent), entries[intent.id], self.side)
        for reference in unknown:
            if reference in entries:
                yield from compare_missing(reference, entries[reference], self.side)

    def _remember(self, intents: Sequence[Intent], entries: Mapping[str, Entry]) -> None:
        """Keep which of these payments were seen, and what is left of each for its invoice."""
        invoices: dict[int, Invoice] = {}
        for entry in entries.values():
            if entry.invoice is not None:
                invoices[entry.invoice.pk] = entry.invoice
        self.invoices |= invoices.keys()
        for intent in intents:
            found = entries.get(intent.id)  # nothing, if it has changed since we began
            if found is None or is_ours(intent, found):
                self._seen.add(intent.id)
            self._kept.pop(intent.id, None)
            kept = self._remote(intent).kept
            invoice = found.invoice if found else None
            if invoice is not None and kept and intent.currency == invoice.currency:
                self._kept[intent.id] = (invoice.pk, kept)
        for pk, reference, minor in books.received_for(invoices):
            amount = units(minor, invoices[pk].currency)
            if amount and reference not in self._seen:
                self._kept[reference] = (pk, amount)

    def _paid_twice(self) -> Iterator[Finding]:
        times = Counter(pk for pk, _ in self._kept.values())
        several: dict[int, dict[str, int]] = defaultdict(dict)
        for reference, (pk, amount) in self._kept.items():
            if times[pk] > 1:
                several[pk][reference] = amount
        for page in batches.batched(several, PAGE):
            for invoice in Invoice.objects.filter(pk__in=page).order_by("pk"):
                yield from paid_twice(invoice, several[invoice.pk])

    def _remote(self, intent: Intent) -> Remote:
        """Return a payment without what is too young.

        Of one in the window, every refund and dispute has been listed; of an older one, only
        the payment itself knows them all.
        """
        refunded, disputes = self._refunded[intent.id], self._disputes.get(intent.id, [])
        refunding = self._refunding[intent.id]
        if intent.created_at < self.since:
            refunded = max(0, intent.refunded - refunding)
            disputes = [d for d in intent.disputes if not self._is_young(d.created_at)]
        return Remote(intent, refunded, refunding, tuple(disputes))

    def _is_young(self, moment: datetime) -> bool:
        return moment > self.side.now - YOUNG


def ask_each(payments: Payments, references: Sequence[str]) -> dict[str, Answer]:
    """Ask the gateway about payments one by one, several at a time."""
    answers = ask_at_once(partial(_ask, payments), references)
    return dict(zip(references, answers, strict=True))


def _ask(payments: Payments, reference: str) -> Answer:
    try:
        return payments.intent(reference)
    except Refused as refusal:
        return None if refusal.code == "resource_missing" else refusal
    except GatewayError as error:
        return error


def _sorted_out(answers: Mapping[str, Answer]) -> tuple[list[Intent], list[str]]:
    """Return the payments and what the gateway does not know; raises what it could not say."""
    intents, unknown = [], []
    for reference, answer in answers.items():
        if isinstance(answer, GatewayError):
            raise answer
        if answer is None:
            unknown.append(reference)
        else:
            intents.append(answer)
    return intents, unknown
