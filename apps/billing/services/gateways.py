"""The way to a firm's payment gateway."""

from apps.integrations.payments import BadCredentials, Payments, get_payments
from apps.webhooks.models import GatewayAccount

PROVIDER = GatewayAccount.Provider.STRIPE


def payments_for(account: GatewayAccount) -> Payments:
    """Open the gateway with an account's credentials; close it after use.

    Raises ``BadCredentials`` when the account has none. Nothing is asked of the gateway yet.
    """
    secret_key = account.credentials.get("secret_key", "")
    if not secret_key:
        raise BadCredentials(f"{account} has no secret key.")
    return get_payments(provider=account.provider, secret_key=secret_key)
