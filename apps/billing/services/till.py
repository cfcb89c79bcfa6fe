"""A firm's gateway during a run: many questions at once, each answer recorded as it comes."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.billing.models import PaymentAttempt
from apps.billing.services.attempts import card_refused, give_up, release
from apps.billing.services.declines import DeclineReason, ending
from apps.billing.services.settling import settle_intent
from apps.core import money
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Item, Report
from apps.core.watching import watched_alike
from apps.firms.models import Firm
from apps.integrations.payments import (
    BadCredentials,
    Charge,
    GatewayError,
    Intent,
    OtherParameters,
    Payments,
    Refused,
    Unreachable,
)
from apps.integrations.payments.amounts import to_gateway

logger = logging.getLogger(__name__)

CHARGED, UNDER_WAY = "charged", "under way"  # tallies

Status = PaymentAttempt.Status
FailureClass = PaymentAttempt.FailureClass

Question = Callable[[], Intent | None]  # None: the gateway certainly knows of no payment


class Undecided(Problem):
    """The gateway cannot say any more what became of an attempt."""

    def __init__(self) -> None:
        super().__init__("Nobody can tell whether the customer was charged.")


@dataclass(frozen=True, slots=True)
class Asked:
    """An attempt about which the gateway is asked, in a run's item."""

    item: Item[Any]
    attempt: PaymentAttempt
    question: Question
    is_first: bool = False  # nothing about this attempt has been asked before


@dataclass(slots=True)
class Till:
    """A firm's gateway, opened for a run; ``closed`` when it turned out to be of no use."""

    firm: Firm
    payments: Payments
    clock: Clock
    report: Report
    closed: bool = False
    trouble: GatewayError | None = None
    _was_tried: bool = False

    def opens(self) -> bool:
        """Tell whether the gateway lets us in; asked once, outside any transaction.

        So wrong credentials are one trouble of the firm and not one of each invoice.
        """
        if not self._was_tried:
            self._was_tried = True
            try:
                self.payments.check()
            except GatewayError as error:
                self.trouble, self.closed = error, True
        return not self.closed

    def request_for(self, attempt: PaymentAttempt) -> Charge:
        """Return the request of an attempt: the same one whenever it is made again."""
        invoice = attempt.invoice
        return Charge(
            amount=to_gateway(attempt.amount_minor, attempt.currency),
            currency=attempt.currency,
            customer=invoice.account.gateway_customer,
            payment_method=attempt.payment_method.provider_ref,
            idempotency_key=attempt.idempotency_key,
            metadata={
                "firm": str(attempt.firm_id),
                "invoice": str(attempt.invoice_id),
                "attempt": str(attempt.pk),
            },
            description=f"Invoice {invoice.number}",
        )

    def ask_all(self, asked: Sequence[Asked]) -> None:
        """Ask the gateway about many attempts at once and record each answer when it comes.

        No transaction is open while the gateway is asked, and the threads that ask do not
        use the database. An answer that does not come leaves its attempt in flight.
        """
        unreachable = 0
        with ThreadPoolExecutor(settings.CHARGES_AT_ONCE, "charge") as pool:
            answers = {pool.submit(watched_alike(one.question)): one for one in asked}
            for answer in as_completed(answers):
                self._take(answers[answer], answer)
                unreachable += isinstance(answer.exception(), Unreachable)
        if asked and unreachable == len(asked):
            self.closed = True

    def _take(self, asked: Asked, answer: "Future[Intent | None]") -> None:
        try:
            with transaction.atomic(durable=True):
                self._record(asked, answer)
        except Unreachable as error:
            asked.item.fail(error)
        except Exception as error:
            logger.exception("An answer about attempt %s was not recorded", asked.attempt.pk)
            asked.item.fail(error)

    def _record(self, asked: Asked, answer: "Future[Intent | None]") -> None:
        now, item, attempt = self.clock.now, asked.item, asked.attempt
        try:
            intent = answer.result()
        except BadCredentials as error:
            self.closed = True
            if asked.is_first:  # refused at the door: nothing happened
                release(attempt, now=now)
            item.fail(error)
        except (OtherParameters, Undecided) as error:
            give_up(attempt)
            item.fail(error)
        except Refused as error:
            if error.code == "resource_missing":  # the card or the customer is gone
                card_refused(attempt, code=error.code, firm=self.firm, now=now)
                self._say(item, attempt)
            else:
                release(attempt, now=now)
                item.fail(error)
        else:
            if intent is None:
                release(attempt, now=now)
                item.says(f"Charge of {attempt.invoice.number} never happened", bullet="-")
            else:
                settle_intent(intent, firm=self.firm, clock=self.clock)
                self._say(item, attempt)

    def _say(self, item: Item[Any], attempt: PaymentAttempt) -> None:
        """Say what came of an attempt, as the ledger has it now."""
        attempt = PaymentAttempt.objects.select_related("invoice").get(pk=attempt.pk)
        number, amount = attempt.invoice.number, attempt.amount
        written = money.write(amount)
        if attempt.status == Status.SUCCEEDED:
            item.does(item.action, amount, tally=CHARGED)
            item.says(f"Charged invoice {number} for {written}")
        elif attempt.status == Status.PROCESSING:
            item.does(item.action, tally=UNDER_WAY)
            item.says(f"Charge of {number} for {written} is under way at the bank", bullet="•")
        elif attempt.status in {Status.DECLINED, Status.REQUIRES_ACTION}:
            failure = FailureClass(attempt.failure_class)
            what_follows = ending(failure, failures=attempt.invoice.autopay_failure_count)
            is_last = not attempt.invoice.autopay_next_charge_at
            reason = DeclineReason(failure.value)
            if reason == DeclineReason.SOFT and is_last:
                reason = DeclineReason.LAST
            item.bullet, item.tallies = "", []  # what was planned did not happen
            item.decline(reason, f"Failed to charge {number}: Card declined ({what_follows})")
        else:
            item.fail(Undecided())
