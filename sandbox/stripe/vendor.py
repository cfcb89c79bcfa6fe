"""Stripe as tests, the control API and the world file see it.

    sandbox.stripe.add_account(secret_key="sk_test_1", webhook_secret="whsec_1")
    sandbox.stripe.add_customer(id="cus_ada")
    sandbox.stripe.add_card("cus_ada", id="pm_ada", behaviour="insufficient_funds")
    sandbox.stripe.misbehave("timeout_after", path="/v1/payment_intents")
    ...                                              # the program under test charges
    [charge] = sandbox.stripe.charges_made(metadata={"invoice": "5"})      # the judge
    body, headers = sandbox.stripe.signed(sandbox.stripe.events[-1])       # for a test client

Verbs that need an account take its secret key as ``account``; without it they mean the only
one, or the one whose object is named. Amounts are in Stripe's minor units. Every method in
``verbs`` is also ``POST /_sandbox/stripe/<verb>``.

What its part of the world file says is told in ``past.py``.
"""

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from flask import Blueprint

from sandbox.callbacks import Signer
from sandbox.core import Core, Json
from sandbox.log import Call, Effect
from sandbox.misbehaviour import Misbehaviour
from sandbox.stripe import cards, customers, intents, shapes  # noqa: F401 - endpoints
from sandbox.stripe.api import routes
from sandbox.stripe.charging import Charging
from sandbox.stripe.checkout import expire
from sandbox.stripe.dashboard import Dashboard
from sandbox.stripe.events import encode, sign
from sandbox.stripe.idempotency import Keys
from sandbox.stripe.memory import kept_account, recalled_account
from sandbox.stripe.page import add_page
from sandbox.stripe.past import add_past_intent, load_account
from sandbox.stripe.state import Account, Accounts, new_id

__all__ = ["Stripe"]


class Stripe(Dashboard):
    """Every account at Stripe, and all that can happen there without being asked over HTTP."""

    name: ClassVar[str] = "stripe"
    prefixes: ClassVar[tuple[str, ...]] = ("/v1/", "/c/pay/")
    verbs: ClassVar[frozenset[str]] = frozenset(
        {
            "add_account", "add_card", "add_customer", "add_intent", "cancel", "charges_made",
            "close_dispute", "complete_checkout", "deliver", "dispute", "pay_remotely",
            "refund", "restrict", "revoke", "roll_key", "set_behaviour", "set_webhook_url",
            "settle",
        }
    )  # fmt: skip

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.reset()

    # ---- as every vendor ------------------------------------------------------------------

    def reset(self) -> None:
        with self.core.lock:
            self.accounts = Accounts()
            self.keys = Keys()
            self.checkouts = {}

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("stripe", __name__)
        routes(self, blueprint)
        add_page(self, blueprint)
        return blueprint

    def tick(self) -> None:
        """Let bank debits arrive and sessions expire whose time has come."""
        now = self.core.now()
        with self.core.lock:
            for account in self.accounts.values():
                charging = Charging(self.core, account)
                due = [
                    (id, debit.outcome)
                    for id, debit in account.settlements.items()
                    if debit.due is not None and debit.due <= now
                ]
                for id, outcome in due:
                    charging.settle(account.get("payment_intent", id), outcome)
                for session in account.rows("checkout.session"):
                    if session["status"] == "open" and session["expires_at"] <= now:
                        expire(charging, session)

    def state(self) -> Json:
        with self.core.lock:
            return {"accounts": [each.as_json() for each in self.accounts.values()]}

    def load(self, world: Mapping[str, Any], *, now: datetime) -> None:
        with self.core.lock:
            for told in world.get("accounts", ()):
                load_account(self, told, now=now)

    def kept(self) -> Json:
        with self.core.lock:
            return {
                "accounts": [kept_account(each, self.core) for each in self.accounts.values()],
                "keys": self.keys.kept(),
                "checkouts": self.checkouts,
            }

    def recall(self, kept: Json) -> None:
        with self.core.lock:
            accounts = [recalled_account(row, self.core) for row in kept["accounts"]]
            self.accounts.update({each.secret_key: each for each in accounts})
            self.keys.recall(kept["keys"])
            self.checkouts = dict(kept["checkouts"])

    def signer(self, id: str) -> Signer:
        account, _ = self.accounts.owner("event", id)
        return lambda body: sign(account.webhook_secret, body)

    # ---- what there is --------------------------------------------------------------------

    @property
    def intents(self) -> list[Json]:
        """Every payment intent of every account, newest first."""
        return self._copies("payment_intent")

    @property
    def events(self) -> list[Json]:
        """Every event of every account, oldest first."""
        return self._copies("event")[::-1]

    @property
    def customers(self) -> list[Json]:
        """Every customer of every account, newest first."""
        return self._copies("customer")

    def intent(self, id: str) -> Json:
        """Return a payment intent as it stands now."""
        with self.core.lock:
            return copy.deepcopy(self.accounts.owner("payment_intent", id)[1])

    @property
    def requests(self) -> list[Call]:
        """Every request to Stripe, as it came and as it was answered."""
        return [call for call in list(self.core.log.requests) if call.vendor == self.name]

    def effects(self, kind: str = "") -> list[Effect]:
        """Return the movements of money: charge, refund, dispute, dispute_won."""
        effects = list(self.core.log.effects)
        return [
            each for each in effects if each.vendor == self.name and kind in {"", each.kind}
        ]

    def charges_made(self, metadata: Mapping[str, str] | None = None) -> list[Effect]:
        """Return the charges that really took money, of those with this metadata."""
        wanted = (metadata or {}).items()
        return [each for each in self.effects("charge") if wanted <= each.metadata.items()]

    # ---- setting the scene ----------------------------------------------------------------

    def add_account(
        self,
        *,
        secret_key: str,
        webhook_secret: str = "whsec_sandbox",  # noqa: S107 - of a sandbox
        livemode: bool = False,
        id: str = "",
        name: str = "",
        webhook_url: str = "",
    ) -> str:
        """Open an account and return its id. Its other key is another account."""
        with self.core.lock:
            account = Account(
                id=id or new_id("acct"),
                secret_key=secret_key,
                webhook_secret=webhook_secret,
                livemode=livemode,
                name=name,
                webhook_url=self.core.address(webhook_url),
            )
            self.accounts[secret_key] = account
            return account.id

    def add_customer(
        self,
        *,
        account: str = "",
        id: str = "",
        name: str | None = None,
        email: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Add a customer and return the id."""
        with self.core.lock:
            owner = self.accounts.named(account)
            row = shapes.customer(
                created=int(self.core.now()),
                livemode=owner.livemode,
                id=id,
                name=name,
                email=email,
                metadata=dict(metadata or {}),
            )
            created: str = owner.table("customer").add(row)["id"]
            return created

    def add_card(
        self,
        customer: str,
        *,
        behaviour: cards.Behaviour = "succeeds",
        id: str = "",
        type: str = "card",
        brand: str = "visa",
        last4: str = "4242",
        exp_month: int = 12,
        exp_year: int = 2034,
        settles_after: float | None = None,
        settles_as: str = "succeeds",
    ) -> str:
        """Add a payment method of a customer and return its id.

        ``behaviour`` is ``succeeds``, ``processing``, ``authentication_required``, a decline
        code, or a list of them: one charge after the other, the last one for ever. A debit
        (``processing``) settles on command, or after ``settles_after`` seconds.
        """
        with self.core.lock:
            account, _ = self.accounts.owner("customer", customer)
            row = shapes.payment_method(
                created=int(self.core.now()),
                livemode=account.livemode,
                id=id,
                type=type,
                customer=customer,
                brand=brand,
                last4=last4,
                exp_month=exp_month,
                exp_year=exp_year,
            )
            account.instruments[row["id"]] = cards.Instrument(
                cards.behaviours(behaviour), settles_after=settles_after, settles_as=settles_as
            )
            created: str = account.table("payment_method").add(row)["id"]
            return created

    def set_behaviour(self, card: str, behaviour: cards.Behaviour) -> None:
        """Let a card behave differently from now on."""
        with self.core.lock:
            account, _ = self.accounts.owner("payment_method", card)
            account.instruments[card].behaviour = cards.behaviours(behaviour)

    def add_intent(
        self,
        *,
        customer: str,
        card: str,
        amount: int,
        currency: str = "usd",
        metadata: Mapping[str, str] | None = None,
        status: str = "succeeded",
        at: float | None = None,
        id: str = "",
        description: str | None = None,
        refunds: list[Json] | None = None,
        dispute: Json | None = None,
    ) -> str:
        """Add a payment that happened before anybody looked: no events, no effects.

        ``status`` is ``succeeded``, ``processing`` or a decline code; ``at`` seconds since
        1970. Refunds are ``{"amount", "at"}``, a dispute ``{"reason", "at"}``.
        """
        with self.core.lock:
            account, _ = self.accounts.owner("customer", customer)
            return add_past_intent(
                self.core,
                account,
                facts={
                    "id": id,
                    "amount": amount,
                    "currency": currency.lower(),
                    "customer": customer,
                    "description": description,
                    "metadata": dict(metadata or {}),
                },
                card=card,
                status=status,
                at=self.core.now() if at is None else at,
                refunds=refunds or [],
                dispute=dispute,
            )

    def set_webhook_url(self, url: str, *, account: str = "") -> None:
        """Send an account's events to this address from now on."""
        with self.core.lock:
            self.accounts.named(account).webhook_url = self.core.address(url)

    def misbehave(self, kind: str, **rule: Any) -> Misbehaviour:
        """Spoil Stripe's answers; see ``sandbox/misbehaviour.py``."""
        return self.core.misbehaviours.add(kind, vendor=self.name, **rule)

    # ---- webhooks -------------------------------------------------------------------------

    def signed(
        self, event: Json | str, *, secret: str = "", at: float | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """Return an event's body and headers, signed now, for a test client to post.

        ``secret`` forges; ``at`` is another time of signing.
        """
        id = event if isinstance(event, str) else event["id"]
        with self.core.lock:
            account, row = self.accounts.owner("event", id)
            body = encode(row)
            return body, sign(secret or account.webhook_secret, body, at=at)

    def deliver(self) -> list[int | None]:
        """Post every event that waits to its account's address; returns the answers."""
        return [each.status for each in self.core.callbacks.deliver()]

    # ---- inside ---------------------------------------------------------------------------

    def _copies(self, kind: str) -> list[Json]:
        with self.core.lock:
            return copy.deepcopy(self.accounts.rows(kind))
