"""Who pays in the proof: customers of a shop, subscribers of the platform, and a neighbour."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from django.utils import timezone

from apps.billing.models import Invoice
from apps.subscriptions.models import Subscription
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from tests.billing.collecting import Shop, open_shop
from tests.subscriptions.conftest import open_account
from tests.subscriptions.subscribing import saved_card, subscriber

DEBIT = "debit"
DEBITS_TAKE = timedelta(days=2)
# How a customer's card behaves, and whether the invoice is paid in the end.
CUSTOMERS: tuple[tuple[object, bool], ...] = (
    ("succeeds", True),
    ("succeeds", True),
    ("succeeds", True),
    (["insufficient_funds", "succeeds"], True),
    (DEBIT, True),
    ("expired_card", False),
    ("authentication_required", False),
)
SUBSCRIBERS = (("good", True), ("good", True), ("good-then-107", True), ("105", False))
SOON = timedelta(days=2)  # until a subscription expires


@dataclass
class Debt:
    """What one invoice, or one cycle of a subscription, must come to."""

    pays: bool
    invoice: Invoice | None = None
    subscription: Subscription | None = None
    expiry: date | None = None


class World:
    """A shop on Stripe and subscribers at the bank; new debts whenever asked for."""

    def __init__(self, sandbox: Sandbox, rng: Random, *, calm: bool = False) -> None:
        self.sandbox, self.rng = sandbox, rng
        self._customers = CUSTOMERS[:1] if calm else CUSTOMERS
        self._subscribers = SUBSCRIBERS[:1] if calm else SUBSCRIBERS
        self.shop: Shop = open_shop(sandbox)
        open_account(sandbox)
        sandbox.bog.set_automatic(on=True)
        self.debts: list[Debt] = []
        self._weak_cards: list[str] = []
        self.neighbour = open_shop(sandbox)
        self.untouched = self.neighbour.invoice(autopay_opt_in=False)

    @property
    def address(self) -> str:
        """Where Stripe's events for the shop go."""
        key = GatewayAccount.objects.get(firm=self.shop.firm).key
        return f"/webhooks/stripe/{key}/"

    def invoices(self, count: int) -> None:
        """Let customers owe something that is due now."""
        for _ in range(count):
            behaviour, pays = self.rng.choice(self._customers)
            customer = self.shop.customer("succeeds" if behaviour == DEBIT else behaviour)
            if behaviour == DEBIT:
                card = self.shop.card(customer, "processing")
                instruments = self.sandbox.stripe.accounts[self.shop.key].instruments
                instruments[card.provider_ref].settles_after = DEBITS_TAKE.total_seconds()
                customer.default_payment_method = card
                customer.save()
            amount = self.rng.randrange(1_000, 900_000)
            today = timezone.now().date()
            invoice = self.shop.invoice(
                customer,
                total_minor=amount,
                issue_date=today - timedelta(days=20),
                due_date=today,
                autopay_next_charge_at=timezone.now() - timedelta(hours=1),
            )
            self.debts.append(Debt(pays, invoice=invoice))

    def subscribers(self, count: int) -> None:
        """Let firms have subscriptions that expire soon."""
        expiry = timezone.now().date() + SOON
        for _ in range(count):
            card, pays = self.rng.choice(self._subscribers)
            row = subscriber(f"subscriber-{len(self.debts)}", expires_on=expiry)
            order = saved_card(row, self.sandbox, card=card)
            if card == "good-then-107":
                self._weak_cards.append(order.bog_order_id)
            self.debts.append(Debt(pays, subscription=row, expiry=expiry))

    def return_a_debit(self) -> None:
        """Let a bank send one debit back that was under way; the next one will arrive."""
        under_way = list(self.sandbox.stripe.accounts[self.shop.key].settlements)
        if under_way:
            self.sandbox.stripe.settle(self.rng.choice(under_way), "insufficient_funds")

    def fill_cards(self) -> None:
        """Put money on the cards that had none."""
        for reference in self._weak_cards:
            self.sandbox.bog.set_card(reference, "good")
        self._weak_cards.clear()
