"""The platform's account at the bank, for one run."""

from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar
from uuid import uuid4

from django.conf import settings
from django.urls import reverse

from apps.installations.leaving import refuse_if_strange
from apps.integrations.asking import ask_at_once
from apps.integrations.cards import (
    BadCredentials,
    BankOrder,
    Cards,
    Receipt,
    SavedCardCharge,
    get_cards,
)
from apps.subscriptions.models import PaymentOrder
from apps.webhooks.services import find_account

PROVIDER = "bog"

Q = TypeVar("Q")
T = TypeVar("T")


class Bank:
    """Asks the bank about many orders at once; opened with the first call.

    Every verb returns an answer or an error for each order, in their order. The calls run in
    threads that do not touch the database, and never inside a transaction.
    """

    def __init__(self) -> None:
        self._cards: Cards | None = None
        self.locked_out = False  # our credentials are wrong: the next call is no use either

    def __enter__(self) -> Self:
        refuse_if_strange()  # before an order is written down
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._cards is not None:
            self._cards.close()

    def receipts(self, orders: Sequence[PaymentOrder]) -> list[Receipt | Exception]:
        """Ask what the bank says of each order now."""
        ids = [order.bog_order_id for order in orders]
        return self._at_once(lambda cards, bog_id: cards.receipt(bog_id), ids)

    def charge(self, orders: Sequence[PaymentOrder]) -> list[str | Exception]:
        """Charge saved cards, each once for its key; returns the bank's ids of the orders."""
        charges = [_charge(order) for order in orders]
        return self._at_once(lambda cards, charge: cards.charge_saved_card(charge), charges)

    def open_page(self, order: PaymentOrder, *, back: str, label: str) -> tuple[str, str]:
        """Make an order that its customer pays on the bank's page, where the card is saved.

        Returns the bank's id of the order and the address of the page. Raises ``BankError``.
        """
        [answer] = self._at_once(_open_page, [_page_for(order, back=back, label=label)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _at_once(
        self, ask: Callable[[Cards, Q], T], questions: Sequence[Q]
    ) -> list[T | Exception]:
        if not questions:
            return []
        try:
            cards = self._open()
        except BadCredentials as error:
            answers: list[T | Exception] = [error for _ in questions]
        else:
            answers = ask_at_once(partial(_answer, ask, cards), questions)
        self.locked_out |= any(isinstance(one, BadCredentials) for one in answers)
        return answers

    def _open(self) -> Cards:
        if self._cards is None:
            self._cards = way_in()()
        return self._cards


def way_in() -> Callable[[], Cards]:
    """Return how to open the platform's account: a function that needs no database.

    Raises ``BadCredentials`` when there is no account.
    """
    account = find_account(firm_id=None, provider=PROVIDER)
    if account is None:
        raise BadCredentials("The platform has no account at the Bank of Georgia.")
    return partial(
        get_cards,
        provider=PROVIDER,
        client_id=account.credentials.get("client_id", ""),
        client_secret=account.credentials.get("client_secret", ""),
    )


def _answer(ask: Callable[[Cards, Q], T], cards: Cards, question: Q) -> T | Exception:
    try:
        return ask(cards, question)
    except Exception as error:
        return error


def _callback_url() -> str:
    return settings.SITE_URL + reverse("webhooks:platform_bog")


def _charge(order: PaymentOrder) -> SavedCardCharge:
    assert order.parent_order is not None
    return SavedCardCharge(
        parent_id=order.parent_order.bog_order_id,
        amount=order.amount,
        external_id=order.external_order_id,
        idempotency_key=order.idempotency_key,
        callback_url=_callback_url(),
    )


def _page_for(order: PaymentOrder, *, back: str, label: str) -> BankOrder:
    return BankOrder(
        amount=order.amount,
        external_id=order.external_order_id,
        idempotency_key=order.idempotency_key,
        callback_url=_callback_url(),
        success_url=back,
        fail_url=back,
        label=label,
    )


def _open_page(cards: Cards, order: BankOrder) -> tuple[str, str]:
    bog_id, page = cards.create_order(order)
    cards.allow_charges(bog_id, idempotency_key=uuid4())
    return bog_id, page
