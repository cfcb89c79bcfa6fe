"""What happens at Stripe without being asked over HTTP.

In life it is done by people in Stripe's dashboard or on its pages, or by their banks.
"""

from collections.abc import Mapping

from sandbox.core import Json, Vendor
from sandbox.stripe import shapes
from sandbox.stripe.charging import Charging
from sandbox.stripe.checkout import complete
from sandbox.stripe.refunds import close_dispute, open_dispute, refund_charge
from sandbox.stripe.state import Accounts

__all__ = ["Dashboard"]


class Dashboard(Vendor):
    """The part of Stripe that acts by itself."""

    accounts: Accounts
    checkouts: dict[str, Json]  # session id → payment_intent_data

    def pay_remotely(
        self,
        *,
        customer: str,
        card: str,
        amount: int,
        currency: str = "usd",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Take money by no request of ours, as from Stripe's dashboard; returns the intent."""
        with self.core.lock:
            account, _ = self.accounts.owner("customer", customer)
            charging = Charging(self.core, account)
            intent = shapes.payment_intent(
                created=int(self.core.now()),
                livemode=account.livemode,
                amount=amount,
                currency=currency.lower(),
                customer=customer,
                metadata=dict(metadata or {}),
            )
            account.table("payment_intent").add(intent)
            charging.notify("payment_intent.created", intent)
            method = account.get("payment_method", card)
            charging.confirm(intent, method, behaviour="succeeds")
            created: str = intent["id"]
            return created

    def settle(self, intent: str, outcome: str = "succeeds") -> None:
        """Let a bank debit arrive, or come back with a decline code."""
        with self.core.lock:
            account, row = self.accounts.owner("payment_intent", intent)
            if intent not in account.settlements:
                raise ValueError(f"{intent} is {row['status']}, there is nothing to settle")
            Charging(self.core, account).settle(row, outcome)

    def cancel(self, intent: str) -> None:
        """Cancel a payment as if from the dashboard."""
        with self.core.lock:
            account, row = self.accounts.owner("payment_intent", intent)
            row |= {"status": "canceled", "canceled_at": int(self.core.now())}
            Charging(self.core, account).notify("payment_intent.canceled", row)

    def refund(self, intent: str, amount: int | None = None, status: str = "succeeded") -> str:
        """Give money back as if from the dashboard; returns the refund's id."""
        with self.core.lock:
            charging, charge = self._charge_of(intent)
            refund = refund_charge(charging, charge, amount=amount, status=status)
            created: str = refund["id"]
            return created

    def dispute(
        self, intent: str, *, amount: int | None = None, reason: str = "fraudulent"
    ) -> str:
        """Let the customer's bank open a dispute; returns its id."""
        with self.core.lock:
            charging, charge = self._charge_of(intent)
            created: str = open_dispute(charging, charge, amount=amount, reason=reason)["id"]
            return created

    def close_dispute(self, dispute: str, status: str = "won") -> None:
        """End a dispute: ``won``, ``lost`` or ``warning_closed``."""
        with self.core.lock:
            account, row = self.accounts.owner("dispute", dispute)
            close_dispute(Charging(self.core, account), row, status=status)

    def complete_checkout(self, session: str, token: str = "pm_card_visa") -> None:  # noqa: S107
        """Do what the customer does on the hosted page."""
        with self.core.lock:
            account, row = self.accounts.owner("checkout.session", session)
            data = self.checkouts.get(session, {})
            complete(Charging(self.core, account), row, token=token, data=data)

    def roll_key(self, secret_key: str, new: str) -> None:
        """Give an account another key; the old one is unknown from now on."""
        with self.core.lock:
            account = self.accounts.pop(secret_key)
            account.secret_key = new
            self.accounts[new] = account

    def revoke(self, secret_key: str) -> None:
        """Let a key work no more: 401 from now on."""
        with self.core.lock:
            self.accounts.named(secret_key).revoked = True

    def restrict(self, secret_key: str) -> None:
        """Take the key's permissions away: 403 from now on."""
        with self.core.lock:
            self.accounts.named(secret_key).restricted = True

    def _charge_of(self, intent: str) -> tuple[Charging, Json]:
        account, row = self.accounts.owner("payment_intent", intent)
        return Charging(self.core, account), account.get("charge", row["latest_charge"] or "")
