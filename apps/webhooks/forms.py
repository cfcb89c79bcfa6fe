"""What people type about an account at a provider. Secrets go in and never come out."""

import re
from typing import Any

from django import forms

from apps.core.forms import SecretField
from apps.firms.admin import FirmScopedForm
from apps.integrations.cards.signature import BadSignature, NoPublicKey, verify_callback
from apps.webhooks.models import GatewayAccount

Provider = GatewayAccount.Provider

NEEDED = {
    Provider.STRIPE: ("secret_key", "webhook_secret"),
    Provider.BOG: ("client_id", "client_secret", "public_key"),
    Provider.TWILIO: ("account_sid", "auth_token", "sender"),
    Provider.MAIL: ("webhook_secret",),
}
OPTIONAL = {Provider.BOG: ("next_public_key",)}
ALLOWED = {provider: (*NEEDED[provider], *OPTIONAL.get(provider, ())) for provider in Provider}
SECRETS = tuple(dict.fromkeys(name for names in ALLOWED.values() for name in names))
_SENDER = r"\+[1-9]\d{2,14}|MG[0-9a-f]{32}|(?=.*[A-Za-z])[A-Za-z0-9 &._+-]{1,11}"


class Box(forms.Textarea):
    """Takes what is pasted and shows none of it again: it may be another box's secret."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class KeyField(SecretField):
    """An RSA public key, pasted as PEM."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=Box(attrs={"rows": 4, "cols": 66}), **kwargs)

    def clean(self, value: Any) -> str:
        pem = str(super().clean(value) or "")
        try:
            verify_callback(raw=b"", signature="", public_keys=[pem] if pem else [])
        except BadSignature:  # the key can be read; there was nothing to sign
            return pem
        except NoPublicKey:
            if pem:
                text = "Paste an RSA public key with its first and last line."
                raise forms.ValidationError(text) from None
        return pem


class SenderField(SecretField):
    """Whom text messages come from. No secret, but kept with what belongs to it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(), **kwargs)

    def clean(self, value: Any) -> str:
        sender = str(super().clean(value) or "")
        if sender and not re.fullmatch(_SENDER, sender):
            text = "A number (+15550100), a messaging service (MG…) or a name of 11 letters."
            raise forms.ValidationError(text)
        return sender


class AccountForm(FirmScopedForm[GatewayAccount]):
    """An account, with its credentials as fields that only take."""

    secret_key = SecretField(help_text="Stripe: sk_live_… or sk_test_…")
    webhook_secret = SecretField(
        help_text="Stripe: whsec_…, of the webhook's own page. Mail server: what it signs with."
    )
    client_id = SecretField(help_text="Bank of Georgia.")
    client_secret = SecretField(help_text="Bank of Georgia.")
    public_key = KeyField(help_text="Bank of Georgia: what its callbacks are signed with.")
    next_public_key = KeyField(help_text="Bank of Georgia, while the bank changes keys.")
    account_sid = SecretField(help_text="Twilio: AC…")
    auth_token = SecretField(help_text="Twilio: the primary one, which also signs.")
    sender = SenderField(
        help_text="Twilio: the number, messaging service (MG…) or name that texts come from."
    )

    class Meta:
        model = GatewayAccount
        fields = ("firm", "provider", "livemode")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        provider = Provider(cleaned.get("provider") or self.instance.provider or Provider.BOG)
        if "provider" in self.errors:
            return cleaned
        known = self.instance.credentials
        for name in NEEDED[provider]:
            if not (cleaned.get(name) or known.get(name) or name in self.errors):
                self.add_error(name, f"{provider.label} needs this.")
        for name in SECRETS:
            if cleaned.get(name) and name not in ALLOWED[provider]:
                self.add_error(name, f"{provider.label} has no such credential.")
        return cleaned

    def secrets(self) -> dict[str, str]:
        """Return the credentials that were typed."""
        return {name: self.cleaned_data[name] for name in SECRETS if self.cleaned_data[name]}
